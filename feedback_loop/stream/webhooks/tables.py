"""Tables of webhooks as SQLModel classes: endpoints are administration, like keys; messages are the outbox."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from feedback_ingest.tables import timestamp
from feedback_loop.stream.tables import words

WAITING = text("state = 'waiting'")


class WebhookEndpoint(SQLModel, table=True):
    """Where a project is told of some types of events, and how that has been going."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (Index("webhook_endpoints_by_project", "project_id"),)

    endpoint_id: str = Field(sa_column=words(primary_key=True))
    project_id: int = Field(sa_column=Column(Integer, ForeignKey("projects.project_id"), nullable=False))
    host: str = Field(sa_column=words())
    sealed_url: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    event_types: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    format: str = Field(sa_column=words())
    description: str = Field(sa_column=words())
    created_at: datetime = Field(sa_column=timestamp())
    failures: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    failing_since: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))
    paused_until: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))
    disabled_at: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))
    disabled_reason: str | None = Field(default=None, sa_column=words(nullable=True))


class WebhookSecret(SQLModel, table=True):
    """A secret that an endpoint's messages are signed with; during a rotation there are two."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (Index("webhook_secrets_by_endpoint", "endpoint_id"),)

    secret_id: str = Field(sa_column=words(primary_key=True))
    endpoint_id: str = Field(sa_column=Column(Text, ForeignKey("webhook_endpoints.endpoint_id"), nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = Field(sa_column=timestamp())
    expires_at: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))


class WebhookMessage(SQLModel, table=True):
    """The outbox: one message for one endpoint, its bytes as they are sent, and what became of it.

    `claims` counts the attempts that began, and fences one that took too long; `tries` counts those of this schedule.
    It names no foreign key: an endpoint that is deleted meanwhile must not fail the stream's batch.
    """

    __tablename__ = "webhook_messages"
    __table_args__ = (
        Index("webhook_messages_waiting", "endpoint_id", "due_at", postgresql_where=WAITING),
        Index("webhook_messages_by_age", "endpoint_id", "created_at"),
    )

    message_id: str = Field(sa_column=words(primary_key=True))
    endpoint_id: str = Field(sa_column=words(primary_key=True))
    project_id: int = Field(sa_column=Column(Integer, nullable=False))
    event_type: str = Field(sa_column=words())
    body: str = Field(sa_column=words())
    state: str = Field(sa_column=words())
    created_at: datetime = Field(sa_column=timestamp())
    due_at: datetime = Field(sa_column=timestamp())
    tries: int = Field(sa_column=Column(Integer, nullable=False))
    claims: int = Field(sa_column=Column(Integer, nullable=False))
    leased_until: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))


class WebhookAttempt(SQLModel, table=True):
    """One attempt to deliver a message; the first of the answer's bytes are for operators alone."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (Index("webhook_attempts_by_message", "message_id", "endpoint_id"),)

    attempt_id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    message_id: str = Field(sa_column=words())
    endpoint_id: str = Field(sa_column=words())
    number: int = Field(sa_column=Column(Integer, nullable=False))
    attempted_at: datetime = Field(sa_column=timestamp())
    duration_ms: int = Field(sa_column=Column(Integer, nullable=False))
    status: int | None = Field(default=None, sa_column=Column(Integer))
    error: str | None = Field(default=None, sa_column=words(nullable=True))
    answer: str | None = Field(default=None, sa_column=words(nullable=True))
