"""Rules as data: their definitions, what each last decided, and of which metric and segment an alert speaks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


AS_BEFORE = sa.text("""'["alert", "drift_signal"]'""")
VOTE = "source_kind = 'end_user' AND feedback_type <> 'ground_truth' AND feedback_type <> 'review_label'"


def upgrade() -> None:
    """Makes two tables; what was raised before signalled drift, and who said what is taken out of the rows."""
    make_rules()
    widen_alerts()
    tell_users()


def make_rules() -> None:
    """Definitions and decisions."""
    op.create_table(
        "rules",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("log_offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("defined_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "rule_id", "log_offset"),
    )
    op.create_table(
        "rule_decisions",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("cause_offset", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("decided_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "rule_id", "model_name", "model_version", "segment"),
    )


def widen_alerts() -> None:
    """Of which metric and segment, by which version of the rule, and what was to follow."""
    op.add_column("alerts", sa.Column("metric", sa.Text(), nullable=True))
    op.add_column("alerts", sa.Column("segment", sa.Text(), server_default="", nullable=False))
    op.add_column("alerts", sa.Column("rule_version", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "alerts",
        sa.Column(
            "actions", postgresql.JSONB(), server_default=sa.text("""'["alert", "drift_signal"]'"""), nullable=False
        ),
    )


def tell_users() -> None:
    """Who said each feedback, so that the people behind a window can be counted."""
    op.add_column("live_feedback", sa.Column("source_kind", sa.Text(), server_default="end_user", nullable=False))
    op.add_column("live_feedback", sa.Column("user_ref", sa.Text(), nullable=True))
    op.execute("UPDATE live_feedback SET source_kind = row ->> 'source_kind', user_ref = row ->> 'user_ref'")
    op.create_index(
        "live_feedback_votes",
        "live_feedback",
        ["project_id", "model_name", "model_version", "occurred_at"],
        unique=False,
        postgresql_where=sa.text(VOTE),
    )
    op.create_index(
        "live_feedback_by_user",
        "live_feedback",
        ["project_id", "user_ref", "received_at"],
        unique=False,
        postgresql_where=sa.text("user_ref IS NOT NULL"),
    )
