"""What PostgreSQL keeps of sealed partitions: the manifest of each file, and the narrow part of each event."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Integer, Text
from sqlmodel import Field, SQLModel

from feedback_ingest.tables import STAGING, timestamp


class SealedSegment(SQLModel, table=True):
    """A file that holds the events of one former partition, every offset from the first to the last once."""

    __tablename__ = "sealed_segments"
    __table_args__ = {"schema": STAGING}

    first_offset: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    last_offset: int = Field(sa_column=Column(BigInteger, nullable=False, unique=True))
    rows: int = Field(sa_column=Column(BigInteger, nullable=False))
    file: str = Field(sa_column=Column(Text, nullable=False))
    folder: str = Field(sa_column=Column(Text, nullable=False))
    """Where it was written; FEEDBACK_DATA_DIR is looked into first."""
    bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    sha256: str = Field(sa_column=Column(Text, nullable=False))
    first_received_at: datetime = Field(sa_column=timestamp())
    last_received_at: datetime = Field(sa_column=timestamp())
    """The earliest and the latest receipt in it."""
    sealed_at: datetime = Field(sa_column=timestamp())


class SealedEvent(SQLModel, table=True):
    """Of an event in a file, what others are found by; the view staging.known_events has them beside the log's own."""

    __tablename__ = "sealed_events"
    __table_args__ = (
        Index("sealed_events_by_inference", "project_id", "inference_request_id"),
        Index("sealed_events_by_receipt", "received_at", postgresql_using="brin"),
        {"schema": STAGING},
    )

    log_offset: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    project_id: int = Field(sa_column=Column(Integer, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    inference_request_id: str | None = Field(default=None, sa_column=Column(Text))
    received_at: datetime = Field(sa_column=timestamp())
