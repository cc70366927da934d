"""Tables of the doors as SQLModel classes: rows, never request bodies."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, String, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from feedback_ingest.tables import timestamp


class RegisteredMetric(SQLModel, table=True):
    """A metric that events of a project may name: what it measures, which way is better, and from which feedback."""

    __tablename__ = "registered_metrics"

    project_id: int = Field(sa_column=Column(Integer, ForeignKey("projects.project_id"), primary_key=True))
    slug: str = Field(sa_column=Column(String(64), primary_key=True))
    description: str = Field(sa_column=Column(Text, nullable=False))
    direction: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(default="mean", sa_column=Column(Text, nullable=False, server_default="mean"))
    low: float | None = Field(default=None)
    high: float | None = Field(default=None)
    feedback_types: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    registered_at: datetime = Field(sa_column=timestamp())


class FeedbackToken(SQLModel, table=True):
    """A link by which a person may answer for one inference: only the SHA-256 of its secret, and its uses."""

    __tablename__ = "feedback_tokens"

    token_sha256: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    project_id: int = Field(sa_column=Column(Integer, ForeignKey("projects.project_id"), nullable=False))
    key_id: str = Field(sa_column=Column(String(16), ForeignKey("credentials.key_id"), nullable=False))
    inference_request_id: str = Field(sa_column=Column(Text, nullable=False))
    model_name: str | None = Field(default=None, sa_column=Column(Text))
    model_version: str = Field(sa_column=Column(Text, nullable=False))
    user_ref: str | None = Field(default=None, sa_column=Column(Text))
    feedback_types: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    max_uses: int = Field(sa_column=Column(Integer, nullable=False))
    uses: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    created_at: datetime = Field(sa_column=timestamp())
    expires_at: datetime = Field(sa_column=timestamp())


class PageSession(SQLModel, table=True):
    """A person signed in with a key: only the SHA-256 of the cookie's secret, and until when."""

    __tablename__ = "page_sessions"

    secret_sha256: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    key_id: str = Field(sa_column=Column(String(16), ForeignKey("credentials.key_id"), nullable=False))
    created_at: datetime = Field(sa_column=timestamp())
    expires_at: datetime = Field(sa_column=timestamp())


class NamedConsumer(SQLModel, table=True):
    """A reader outside, and the last offset it has processed; the one thing of its own that it keeps with us."""

    __tablename__ = "named_consumers"

    project_id: int = Field(sa_column=Column(Integer, ForeignKey("projects.project_id"), primary_key=True))
    name: str = Field(sa_column=Column(String(64), primary_key=True))
    log_offset: int = Field(sa_column=Column(BigInteger, nullable=False))
    made_at: datetime = Field(sa_column=timestamp())
    moved_at: datetime = Field(sa_column=timestamp())
