"""The live tables: what the log says up to a consumer's position; the stream alone writes them, all can be rebuilt."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, Numeric, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from feedback_ingest.tables import timestamp


def whole(**options: Any) -> Column[int]:
    """A bigint column."""
    return Column(BigInteger, **{"nullable": False, **options})


def words(**options: Any) -> Column[str]:
    """A text column."""
    return Column(Text, **{"nullable": False, **options})


# Partial: of millions of feedback rows few wait and few undo another, and only those are ever looked for by these keys.
UNLINKED = text("inference_offset IS NULL")
WAITS = text("state = 'pending'")
HELD = text("state = 'held'")
HAS_TARGET = text("target_feedback_id IS NOT NULL")
HAS_USER = text("user_ref IS NOT NULL")
VOTE = text("source_kind = 'end_user' AND feedback_type <> 'ground_truth' AND feedback_type <> 'review_label'")
AS_BEFORE = text("""'["alert", "drift_signal"]'""")


class LiveInference(SQLModel, table=True):
    """What attribution needs of an inference."""

    __tablename__ = "live_inferences"

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    inference_request_id: str = Field(sa_column=words(primary_key=True))
    log_offset: int = Field(sa_column=whole())
    model_name: str = Field(sa_column=words())
    model_version: str = Field(sa_column=words())
    occurred_at: datetime = Field(sa_column=timestamp())
    answer_label: str | None = Field(default=None, sa_column=words(nullable=True))
    answer_text: str | None = Field(default=None, sa_column=words(nullable=True))
    answer: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class LiveFeedback(SQLModel, table=True):
    """The attribution table: every feedback, what it is linked to, and what it says."""

    __tablename__ = "live_feedback"
    __table_args__ = (
        Index("live_feedback_unlinked", "project_id", "inference_request_id", postgresql_where=UNLINKED),
        Index("live_feedback_due", "due_at", postgresql_where=WAITS),
        Index("live_feedback_held", "project_id", postgresql_where=HELD),
        Index("live_feedback_by_target", "project_id", "target_feedback_id", postgresql_where=HAS_TARGET),
        Index("live_feedback_votes", "project_id", "model_name", "model_version", "occurred_at", postgresql_where=VOTE),
        Index("live_feedback_by_user", "project_id", "user_ref", "received_at", postgresql_where=HAS_USER),
    )

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    feedback_id: str = Field(sa_column=words(primary_key=True))
    log_offset: int = Field(sa_column=whole())
    inference_request_id: str = Field(sa_column=words())
    inference_offset: int | None = Field(default=None, sa_column=whole(nullable=True))
    state: str = Field(sa_column=words())
    model_name: str | None = Field(default=None, sa_column=words(nullable=True))
    model_version: str = Field(sa_column=words())
    feedback_type: str = Field(sa_column=words())
    metric: str = Field(sa_column=words())
    label: str | None = Field(default=None, sa_column=words(nullable=True))
    reward: float | None = Field(default=None, sa_column=Column(Float))
    correct: bool | None = Field(default=None, sa_column=Column(Boolean))
    is_undone: bool = Field(sa_column=Column(Boolean, nullable=False))
    target_feedback_id: str | None = Field(default=None, sa_column=words(nullable=True))
    occurred_at: datetime = Field(sa_column=timestamp())
    received_at: datetime = Field(sa_column=timestamp())
    source_kind: str = Field(sa_column=words(server_default="end_user"))
    user_ref: str | None = Field(default=None, sa_column=words(nullable=True))
    due_at: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))
    """When it is orphaned, in time of receipt, unless its inference comes; None once it waits no longer."""
    row: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class LiveClock(SQLModel, table=True):
    """The time as the log tells it: the newest receipt among the events that attribution has read."""

    __tablename__ = "live_clock"

    clock: int = Field(default=1, sa_column=Column(Integer, primary_key=True, autoincrement=False))
    received_at: datetime = Field(sa_column=timestamp())


class LiveWait(SQLModel, table=True):
    """An attribution policy that a project set, in force for what is logged after it and before the next one."""

    __tablename__ = "live_waits"

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    log_offset: int = Field(sa_column=whole(primary_key=True, autoincrement=False))
    policy: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class AttributionChange(SQLModel, table=True):
    """Attribution is a fact that changes: one row for every change of a feedback's state, in order, without gaps."""

    __tablename__ = "attribution_changes"
    __table_args__ = (Index("attribution_changes_by_cause", "cause_offset"),)

    change_id: int = Field(sa_column=whole(primary_key=True, autoincrement=False))
    cause_offset: int = Field(sa_column=whole())
    project_id: int = Field(sa_column=Column(Integer, nullable=False))
    feedback_id: str = Field(sa_column=words())
    feedback_offset: int = Field(sa_column=whole())
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    after: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class LiveEnrichment(SQLModel, table=True):
    """What one source adds to a feedback once its inference is known; of one that was asked, perhaps only later."""

    __tablename__ = "live_enrichments"
    __table_args__ = (
        Index(
            "live_enrichments_waiting",
            "project_id",
            "source",
            "waits_for",
            postgresql_where=text("waits_for IS NOT NULL"),
        ),
    )

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    feedback_id: str = Field(sa_column=words(primary_key=True))
    source: str = Field(sa_column=words(primary_key=True))
    answer: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    waits_for: str | None = Field(default=None, sa_column=words(nullable=True))
    late_answer: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class LiveMetric(SQLModel, table=True):
    """One bucket of event time of one metric of one model version in one segment: exact sums, never an average."""

    __tablename__ = "live_metrics"
    __table_args__ = (Index("live_metrics_by_time", "project_id", "model_name", "bucket_start"),)

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    model_name: str = Field(sa_column=words(primary_key=True))
    model_version: str = Field(sa_column=words(primary_key=True))
    metric: str = Field(sa_column=words(primary_key=True))
    segment: str = Field(sa_column=words(primary_key=True))
    bucket_start: datetime = Field(sa_column=timestamp(primary_key=True))
    numerator: Decimal = Field(sa_column=Column(Numeric(38, 6), nullable=False))
    denominator: Decimal = Field(sa_column=Column(Numeric(38, 6), nullable=False))
    squares: Decimal = Field(sa_column=Column(Numeric(38, 12), nullable=False))
    weights: Decimal = Field(sa_column=Column(Numeric(38, 6), nullable=False))


class LiveSegment(SQLModel, table=True):
    """A segment that a project's metrics are split by; what came when there was no more room is not here."""

    __tablename__ = "live_segments"

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    name: str = Field(sa_column=words(primary_key=True))
    value: str = Field(sa_column=words(primary_key=True))


class LiveVote(SQLModel, table=True):
    """How often one answer was given to one question about an inference, by feedback that counts."""

    __tablename__ = "live_votes"

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    inference_request_id: str = Field(sa_column=words(primary_key=True))
    question: str = Field(sa_column=words(primary_key=True))
    answer: str = Field(sa_column=words(primary_key=True))
    votes: int = Field(sa_column=whole())


class LiveRegistration(SQLModel, table=True):
    """A metric of a project's own, as the log first registered it."""

    __tablename__ = "live_registrations"

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    metric: str = Field(sa_column=words(primary_key=True))
    kind: str = Field(sa_column=words())
    log_offset: int = Field(sa_column=whole())


class Alert(SQLModel, table=True):
    """A rule's state for one model version: raised or recovered, with what it saw, and what was to follow."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("alerts_by_model", "project_id", "model_name", "raised_at"),
        Index("alerts_by_rule", "project_id", "model_name", "model_version", "rule", "cause_offset"),
    )

    alert_id: str = Field(sa_column=words(primary_key=True))
    project_id: int = Field(sa_column=Column(Integer, nullable=False))
    rule: str = Field(sa_column=words())
    model_name: str = Field(sa_column=words())
    model_version: str = Field(sa_column=words())
    state: str = Field(sa_column=words())
    value: float = Field(sa_column=Column(Float, nullable=False))
    samples: int = Field(sa_column=whole())
    reason: str = Field(sa_column=words())
    cause_offset: int = Field(sa_column=whole())
    occurred_at: datetime = Field(sa_column=timestamp())
    raised_at: datetime = Field(sa_column=timestamp())
    metric: str | None = Field(default=None, sa_column=words(nullable=True))
    segment: str = Field(default="", sa_column=words(server_default=""))
    rule_version: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    actions: list[str] = Field(sa_column=Column(JSONB, nullable=False, server_default=AS_BEFORE))


class TrainingExample(SQLModel, table=True):
    """The training queue: one attributed, enriched feedback a trainer may learn from."""

    __tablename__ = "training_examples"
    __table_args__ = (
        Index("training_examples_by_queue", "project_id", "queued_at"),
        Index("training_examples_by_order", "project_id", "ready_offset", "log_offset"),
    )

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    feedback_id: str = Field(sa_column=words(primary_key=True))
    log_offset: int = Field(sa_column=whole())
    inference_request_id: str = Field(sa_column=words())
    model_name: str = Field(sa_column=words())
    model_version: str = Field(sa_column=words())
    label: str | None = Field(default=None, sa_column=words(nullable=True))
    reward: float | None = Field(default=None, sa_column=Column(Float))
    weight: float = Field(sa_column=Column(Float, nullable=False))
    example: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    occurred_at: datetime = Field(sa_column=timestamp())
    received_at: datetime = Field(sa_column=timestamp())
    queued_at: datetime = Field(sa_column=timestamp())
    ready_offset: int = Field(sa_column=whole())
    """The event that made it an example: the order of the queue, the same after a rebuild."""


class ConsumerPosition(SQLModel, table=True):
    """How far a consumer is: the last offset whose effects are committed, and the epoch that fences its forerunners.

    Up to `decided_offset` it has been at some time: its decisions up to there are in the log.
    """

    __tablename__ = "consumer_positions"

    name: str = Field(sa_column=words(primary_key=True))
    epoch: int = Field(sa_column=whole())
    log_offset: int = Field(sa_column=whole())
    updated_at: datetime = Field(sa_column=timestamp())
    decided_offset: int = Field(default=0, sa_column=whole(server_default=text("0")))


class DeadLetter(SQLModel, table=True):
    """An event a consumer could not take: kept with the error, while the stream goes on."""

    __tablename__ = "dead_letters"

    consumer: str = Field(sa_column=words(primary_key=True))
    log_offset: int = Field(sa_column=whole(primary_key=True, autoincrement=False))
    error: str = Field(sa_column=words())
    attempts: int = Field(sa_column=Column(Integer, nullable=False))
    failed_at: datetime = Field(sa_column=timestamp())


class ServedVersion(SQLModel, table=True):
    """A version of a model, and its first answer by the order of the log."""

    __tablename__ = "served_versions"

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    model_name: str = Field(sa_column=words(primary_key=True))
    model_version: str = Field(sa_column=words(primary_key=True))
    first_offset: int = Field(sa_column=whole())
    first_answer_at: datetime = Field(sa_column=timestamp())


class Passage(SQLModel, table=True):
    """A run of the log that some consumers were through with at a moment; no rebuild changes that."""

    __tablename__ = "passages"

    last_offset: int = Field(sa_column=whole(primary_key=True, autoincrement=False))
    consumers: tuple[str, ...] = Field(sa_column=Column(ARRAY(Text, as_tuple=True), primary_key=True))
    first_offset: int = Field(sa_column=whole())
    passed_at: datetime = Field(sa_column=timestamp())
