"""Tables of review as SQLModel classes: but for who holds what now, all of it is folded from facts of the log."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from feedback_ingest.tables import timestamp


def project() -> Any:
    """The first column of each."""
    return Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))


class ReviewQueueRow(SQLModel, table=True):
    """A queue as its project defined it last."""

    __tablename__ = "review_queues"

    project_id: int = project()
    queue_id: str = Field(sa_column=Column(Text, primary_key=True))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    definition: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    defined_at: datetime = Field(sa_column=timestamp())


class ReviewTask(SQLModel, table=True):
    """One item in one queue. `free`: how many more reviewers may have it now; a gold item is anybody's, once each.

    The policy `policy_id` had it opened (empty: it was asked for, or a route led there), which looks at the `share` of
    all that are like it. Items are given in the order of `rank_at`. `labels` of the `wanted` ones are in. `state` is
    open, escalated, disputed or decided.
    """

    __tablename__ = "review_tasks"
    __table_args__ = (
        CheckConstraint("free >= 0 AND labels + free <= wanted", name="never_more_than_wanted"),
        Index("review_tasks_by_item", "project_id", "queue_id", "inference_request_id", unique=True),
        Index(
            "review_tasks_to_claim",
            "project_id",
            "queue_id",
            "skill",
            "rank_at",
            "task_id",
            postgresql_where=text("free > 0 AND NOT is_gold"),
        ),
        Index("review_tasks_gold", "project_id", "queue_id", "task_id", postgresql_where=text("is_gold")),
        Index(
            "review_tasks_by_policy", "project_id", "policy_id", "opened_at", postgresql_where=text("policy_id <> ''")
        ),
        Index(
            "review_tasks_to_decide",
            "project_id",
            "queue_id",
            "opened_at",
            postgresql_where=text("state = 'disputed' OR state = 'escalated'"),
        ),
    )

    project_id: int = project()
    task_id: str = Field(sa_column=Column(Text, primary_key=True))
    queue_id: str = Field(sa_column=Column(Text, nullable=False))
    inference_request_id: str = Field(sa_column=Column(Text, nullable=False))
    feedback_id: str | None = Field(default=None, sa_column=Column(Text))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    skill: str = Field(sa_column=Column(Text, nullable=False))
    policy_id: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    share: float | None = Field(default=None, sa_column=Column(Float))
    priority: int = Field(sa_column=Column(Integer, nullable=False))
    rank_at: datetime = Field(sa_column=timestamp(server_default=text("now()")))
    is_gold: bool
    gold_answer: str | None = Field(default=None, sa_column=Column(Text))
    wanted: int = Field(sa_column=Column(Integer, nullable=False))
    labels: int = Field(sa_column=Column(Integer, nullable=False))
    free: int = Field(sa_column=Column(Integer, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    outcome: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    opened_at: datetime = Field(sa_column=timestamp())
    decided_at: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))


class ReviewAssignment(SQLModel, table=True):
    """One reviewer's part in one item, at most one each: leased, submitted, skipped, escalated, released or expired."""

    __tablename__ = "review_assignments"
    __table_args__ = (
        Index(
            "review_assignments_leased",
            "project_id",
            "queue_id",
            "leased_until",
            postgresql_where=text("state = 'leased'"),
        ),
        Index("review_assignments_by_reviewer", "project_id", "queue_id", "reviewer", "state", "at"),
        Index("review_assignments_submitted", "project_id", "queue_id", "at", postgresql_where=text("answer <> ''")),
    )

    project_id: int = project()
    task_id: str = Field(sa_column=Column(Text, primary_key=True))
    reviewer: str = Field(sa_column=Column(Text, primary_key=True))
    queue_id: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    lease_id: str = Field(sa_column=Column(Text, nullable=False))
    leased_until: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))
    value: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    answer: str = Field(sa_column=Column(Text, nullable=False))
    correct: bool | None = None
    at: datetime = Field(sa_column=timestamp())


class ReviewIntake(SQLModel, table=True):
    """How far a project's candidates of the routes, and the flags of its policies, were taken into its queues.

    As offsets of the log.
    """

    __tablename__ = "review_intake"

    project_id: int = project()
    routed_offset: int = Field(sa_column=Column(BigInteger, nullable=False))
    flagged_offset: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=text("0")))
