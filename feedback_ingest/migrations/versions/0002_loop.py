"""The loop: the stream's live tables, its position, and the champion pointer."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the tables; the stream fills them from the first offset when it starts."""
    make_attribution()
    make_reactions()
    make_progress()
    make_champions()


def make_attribution() -> None:
    """What the stream knows of inferences and feedback, and every change of it."""
    op.create_table(
        "live_inferences",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("inference_request_id", sa.Text(), nullable=False),
        sa.Column("log_offset", sa.BigInteger(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("answer_label", sa.Text(), nullable=True),
        sa.Column("answer_text", sa.Text(), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "inference_request_id"),
    )
    op.create_table(
        "live_feedback",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("feedback_id", sa.Text(), nullable=False),
        sa.Column("log_offset", sa.BigInteger(), nullable=False),
        sa.Column("inference_request_id", sa.Text(), nullable=False),
        sa.Column("inference_offset", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=True),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("feedback_type", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("reward", sa.Float(), nullable=True),
        sa.Column("correct", sa.Boolean(), nullable=True),
        sa.Column("is_undone", sa.Boolean(), nullable=False),
        sa.Column("target_feedback_id", sa.Text(), nullable=True),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("row", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "feedback_id"),
    )
    op.create_index(
        "live_feedback_waiting",
        "live_feedback",
        ["project_id", "inference_request_id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "live_feedback_by_target",
        "live_feedback",
        ["project_id", "target_feedback_id"],
        unique=False,
        postgresql_where=sa.text("target_feedback_id IS NOT NULL"),
    )
    op.create_table(
        "attribution_changes",
        sa.Column("change_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cause_offset", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("feedback_id", sa.Text(), nullable=False),
        sa.Column("feedback_offset", sa.BigInteger(), nullable=False),
        sa.Column("before", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("change_id"),
    )
    op.create_index("attribution_changes_by_cause", "attribution_changes", ["cause_offset"], unique=False)


def make_reactions() -> None:
    """Rolling metrics, alerts and the training queue."""
    op.create_table(
        "live_metrics",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("bucket_start", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("numerator", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("denominator", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "model_name", "model_version", "metric", "bucket_start"),
    )
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("cause_offset", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("raised_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("alert_id"),
    )
    op.create_index("alerts_by_model", "alerts", ["project_id", "model_name", "raised_at"], unique=False)
    op.create_table(
        "training_examples",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("feedback_id", sa.Text(), nullable=False),
        sa.Column("log_offset", sa.BigInteger(), nullable=False),
        sa.Column("inference_request_id", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("reward", sa.Float(), nullable=True),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("example", sa.JSON(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("queued_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "feedback_id"),
    )
    op.create_index("training_examples_by_queue", "training_examples", ["project_id", "queued_at"], unique=False)


def make_progress() -> None:
    """How far consumers are, and what they could not take."""
    op.create_table(
        "consumer_positions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("log_offset", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("log_offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "log_offset"),
    )


def make_champions() -> None:
    """The champion pointer."""
    op.create_table(
        "champions",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("artifact_uri", sa.Text(), nullable=True),
        sa.Column("artifact_sha256", sa.Text(), nullable=True),
        sa.Column("dataset_version", sa.Text(), nullable=True),
        sa.Column("log_offset", sa.BigInteger(), nullable=False),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("previous_version", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "model_name"),
    )
