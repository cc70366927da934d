"""Tables of flagging as SQLModel classes; the policies copy facts, the flags are rebuilt from the log."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Float, Index, Integer
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from feedback_ingest.tables import timestamp
from feedback_loop.stream.tables import whole, words


class ReviewPolicyDefinition(SQLModel, table=True):
    """What a project said of a review policy with one fact of the log; None where it was taken back."""

    __tablename__ = "review_policies"

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    policy_id: str = Field(sa_column=words(primary_key=True))
    log_offset: int = Field(sa_column=whole(primary_key=True, autoincrement=False))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    definition: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    defined_at: datetime = Field(sa_column=timestamp())


class ReviewFlag(SQLModel, table=True):
    """An answer that a policy sends to review: why, at which share of all, and how urgently.

    `flagged_offset` is the event that had it flagged.
    """

    __tablename__ = "review_flags"
    __table_args__ = (Index("review_flags_by_offset", "project_id", "flagged_offset"),)

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    policy_id: str = Field(sa_column=words(primary_key=True))
    inference_request_id: str = Field(sa_column=words(primary_key=True))
    policy_version: int = Field(sa_column=Column(Integer, nullable=False))
    queue_id: str = Field(sa_column=words())
    feedback_id: str | None = Field(default=None, sa_column=words(nullable=True))
    reason: str = Field(sa_column=words())
    share: float = Field(sa_column=Column(Float, nullable=False))
    per_day: int | None = Field(default=None, sa_column=Column(Integer))
    priority: int = Field(sa_column=Column(Integer, nullable=False))
    flagged_offset: int = Field(sa_column=whole())
    flagged_at: datetime = Field(sa_column=timestamp())
