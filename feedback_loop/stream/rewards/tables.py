"""What each inference is worth under the metrics that its project's policy names; attribution alone writes it."""

from datetime import datetime

from sqlalchemy import Column, Float, Index, Integer
from sqlmodel import Field, SQLModel

from feedback_ingest.tables import timestamp
from feedback_loop.stream.tables import WAITS, whole, words


class LiveReward(SQLModel, table=True):
    """What one inference is worth under one metric: by its feedback as one, or from `due_at` on by default."""

    __tablename__ = "live_rewards"
    __table_args__ = (Index("live_rewards_due", "due_at", postgresql_where=WAITS),)

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    inference_request_id: str = Field(sa_column=words(primary_key=True))
    metric: str = Field(sa_column=words(primary_key=True))
    inference_offset: int = Field(sa_column=whole())
    model_name: str = Field(sa_column=words())
    model_version: str = Field(sa_column=words())
    occurred_at: datetime = Field(sa_column=timestamp())
    received_at: datetime = Field(sa_column=timestamp())
    state: str = Field(sa_column=words())
    reward: float | None = Field(default=None, sa_column=Column(Float))
    votes: int = Field(sa_column=whole())
    feedback_id: str | None = Field(default=None, sa_column=words(nullable=True))
    due_at: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))
    default_reward: float | None = Field(default=None, sa_column=Column(Float))


class LiveRewardVote(SQLModel, table=True):
    """One feedback that says what its inference is worth under a metric, and counts."""

    __tablename__ = "live_reward_votes"
    __table_args__ = (Index("live_reward_votes_by_inference", "project_id", "inference_request_id", "metric"),)

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    feedback_id: str = Field(sa_column=words(primary_key=True))
    inference_request_id: str = Field(sa_column=words())
    metric: str = Field(sa_column=words())
    occurred_at: datetime = Field(sa_column=timestamp())
    source_kind: str = Field(sa_column=words())
    reward: float = Field(sa_column=Column(Float, nullable=False))
