"""Tables of the ground as SQLModel classes: rows, never request bodies (a table class does not validate)."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Date, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlmodel import Field, SQLModel

STAGING = "staging"


def timestamp(**options: Any) -> Column[datetime]:
    """A `timestamptz` column; every time in the database carries its zone."""
    return Column(TIMESTAMP(timezone=True), **{"nullable": False, **options})


class Project(SQLModel, table=True):
    """A tenant: keys, events and everything derived belong to exactly one."""

    __tablename__ = "projects"

    project_id: int | None = Field(default=None, primary_key=True)
    name: str = Field(sa_column=Column(String(64), nullable=False, unique=True))
    pepper_check: str | None = Field(default=None, description="Digest of the pepper its pseudonyms were made with.")
    created_at: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))
    events_per_day: int | None = Field(default=None, sa_column=Column(BigInteger))


class Credential(SQLModel, table=True):
    """An API key: its id, the SHA-256 of the whole token, what it may do, from where, how much, and until when."""

    __tablename__ = "credentials"

    key_id: str = Field(primary_key=True, max_length=16)
    project_id: int = Field(sa_column=Column(Integer, ForeignKey("projects.project_id"), nullable=False))
    token_sha256: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    created_at: datetime = Field(sa_column=timestamp())
    expires_at: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))
    revoked_at: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))
    created_by: str | None = Field(default=None, sa_column=Column(Text))
    origins: list[str] = Field(
        default_factory=list, sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'"))
    )
    events_per_minute: int | None = Field(default=None, sa_column=Column(Integer))
    bytes_per_minute: int | None = Field(default=None, sa_column=Column(BigInteger))


class ProjectUsage(SQLModel, table=True):
    """Events stored for a project on a UTC day; kept only for projects with a quota, a second behind the log."""

    __tablename__ = "project_usage"

    project_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    day: date = Field(sa_column=Column(Date, primary_key=True))
    events: int = Field(sa_column=Column(BigInteger, nullable=False))


class LogHead(SQLModel, table=True):
    """The counter row offsets come from; its lock orders commits, so offsets are gapless and in order."""

    __tablename__ = "log_head"
    __table_args__ = {"schema": STAGING, "postgresql_with": {"fillfactor": "10"}}

    shard: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    next_offset: int = Field(sa_column=Column(BigInteger, nullable=False))
    partition_end: int = Field(sa_column=Column(BigInteger, nullable=False))
    partition_rows: int = Field(sa_column=Column(BigInteger, nullable=False))


class EventKey(SQLModel, table=True):
    """The name of every event and the fingerprint of its content: what makes a retry a duplicate, not a second row."""

    __tablename__ = "event_keys"
    __table_args__ = {"schema": STAGING}

    project_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kind: str = Field(sa_column=Column(String(collation="C"), primary_key=True))
    id: str = Field(sa_column=Column(String(collation="C"), primary_key=True))
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    log_offset: int = Field(sa_column=Column(BigInteger, nullable=False))


class FeedbackEvent(SQLModel, table=True):
    """One fact in the append-only log: five fields to look at beside `body`, the event as it was sent."""

    __tablename__ = "feedback_events"
    __table_args__ = (
        Index("feedback_events_by_inference", "project_id", "inference_request_id"),
        Index("feedback_events_by_receipt", "received_at", postgresql_using="brin"),
        {"schema": STAGING, "postgresql_partition_by": "RANGE (log_offset)"},
    )

    log_offset: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    project_id: int = Field(sa_column=Column(Integer, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    id: str = Field(sa_column=Column(Text, nullable=False))
    received_at: datetime = Field(sa_column=timestamp())
    occurred_at: datetime = Field(sa_column=timestamp())
    inference_request_id: str | None = Field(default=None, sa_column=Column(Text))
    model_name: str | None = Field(default=None, sa_column=Column(Text))
    model_version: str | None = Field(default=None, sa_column=Column(Text))
    feedback_type: str | None = Field(default=None, sa_column=Column(Text))
    feedback_value: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    user_context: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    body: str = Field(sa_column=Column(Text, nullable=False))
    appended_at: datetime | None = Field(
        default=None, sa_column=timestamp(nullable=True, server_default=text("clock_timestamp()"))
    )
    """When it was written, the moment before its commit; None for what is older than this column."""


class QuarantinedItem(SQLModel, table=True):
    """An event refused though its sender was known: kept whole, with the code, the pointers and what became of it."""

    __tablename__ = "quarantined_items"
    __table_args__ = (Index("quarantined_items_by_project", "project_id", "item_id"), {"schema": STAGING})

    item_id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    project_id: int = Field(sa_column=Column(Integer, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    key_id: str = Field(sa_column=Column(Text, nullable=False))
    received_at: datetime = Field(sa_column=timestamp())
    code: str = Field(sa_column=Column(Text, nullable=False))
    faults: list[dict[str, str]] = Field(sa_column=Column(JSONB, nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    status: str = Field(default="held", sa_column=Column(Text, nullable=False))
    stage: str = Field(default="door", sa_column=Column(Text, nullable=False, server_default="door"))
    mended: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    decided_at: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))
    log_offset: int | None = Field(default=None, sa_column=Column(BigInteger))
