"""Tables of routing as SQLModel classes; all but the definitions, which copy facts, are rebuilt from the log."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from feedback_ingest.tables import timestamp
from feedback_loop.stream.tables import whole, words


def project() -> Any:
    """The first column of each."""
    return Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))


class RouteDefinition(SQLModel, table=True):
    """What a project said of a route with one fact of the log: its definition, or None where it was taken back."""

    __tablename__ = "routes"

    project_id: int = project()
    route_id: str = Field(sa_column=words(primary_key=True))
    log_offset: int = Field(sa_column=whole(primary_key=True, autoincrement=False))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    definition: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    defined_at: datetime = Field(sa_column=timestamp())


class RouteCount(SQLModel, table=True):
    """How much feedback a route took; under the empty name what none took."""

    __tablename__ = "route_counts"

    project_id: int = project()
    route_id: str = Field(sa_column=words(primary_key=True))
    events: int = Field(sa_column=whole())


class HeldFeedback(SQLModel, table=True):
    """Feedback that is held back now, and until when at the latest."""

    __tablename__ = "held_feedback"
    __table_args__ = (
        Index("held_feedback_by_inference", "project_id", "inference_request_id"),
        Index("held_feedback_by_end", "held_until"),
    )

    project_id: int = project()
    feedback_id: str = Field(sa_column=words(primary_key=True))
    inference_request_id: str = Field(sa_column=words())
    log_offset: int = Field(sa_column=whole())
    routes: str = Field(sa_column=words())
    held_until: datetime = Field(sa_column=timestamp())


class HoldEnd(SQLModel, table=True):
    """What ended holds: the newest verdict on an inference (`i:` and its id), a release (`f:` and the feedback_id)."""

    __tablename__ = "hold_ends"

    project_id: int = project()
    about: str = Field(sa_column=words(primary_key=True))
    log_offset: int = Field(sa_column=whole())


class ReviewCandidate(SQLModel, table=True):
    """Feedback that a route sent to review, and why; `routed_offset` is the event that had it sent there."""

    __tablename__ = "review_candidates"
    __table_args__ = (Index("review_candidates_by_offset", "project_id", "routed_offset"),)

    project_id: int = project()
    feedback_id: str = Field(sa_column=words(primary_key=True))
    route_id: str = Field(sa_column=words(primary_key=True))
    inference_request_id: str = Field(sa_column=words())
    log_offset: int = Field(sa_column=whole())
    reason: str = Field(sa_column=words())
    received_at: datetime = Field(sa_column=timestamp())
    routed_offset: int = Field(sa_column=Column(BigInteger, nullable=False, server_default=text("0")))


class ReplayCandidate(SQLModel, table=True):
    """Feedback that a route sent to the replay buffer, and why."""

    __tablename__ = "replay_candidates"

    project_id: int = project()
    feedback_id: str = Field(sa_column=words(primary_key=True))
    route_id: str = Field(sa_column=words(primary_key=True))
    inference_request_id: str = Field(sa_column=words())
    log_offset: int = Field(sa_column=whole())
    reason: str = Field(sa_column=words())
    received_at: datetime = Field(sa_column=timestamp())
