"""Review policies, the answers they flag, and the order in which items are given."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
FREE = sa.text("free > 0 AND NOT is_gold")


def upgrade() -> None:
    """Makes the tables, empty; items that are open keep their priority, and age from now on."""
    whole, moment = sa.BigInteger(), postgresql.TIMESTAMP(timezone=True)
    op.create_table(
        "review_policies",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("policy_id", sa.Text(), nullable=False),
        sa.Column("log_offset", whole, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("defined_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "policy_id", "log_offset"),
    )
    op.create_table(
        "review_flags",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("policy_id", sa.Text(), nullable=False),
        sa.Column("inference_request_id", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.Column("feedback_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("per_day", sa.Integer(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("flagged_offset", whole, nullable=False),
        sa.Column("flagged_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "policy_id", "inference_request_id"),
    )
    op.create_index("review_flags_by_offset", "review_flags", ["project_id", "flagged_offset"])
    op.add_column("review_intake", sa.Column("flagged_offset", whole, server_default="0", nullable=False))
    _rank_tasks()


def _rank_tasks() -> None:
    op.add_column("review_tasks", sa.Column("policy_id", sa.Text(), server_default="", nullable=False))
    op.add_column("review_tasks", sa.Column("share", sa.Float(), nullable=True))
    moment = postgresql.TIMESTAMP(timezone=True)
    op.add_column("review_tasks", sa.Column("rank_at", moment, server_default=sa.text("now()"), nullable=False))
    op.execute("UPDATE review_tasks SET rank_at = opened_at - priority * interval '1 minute'")
    op.drop_index("review_tasks_to_claim", "review_tasks")
    order = ["project_id", "queue_id", "skill", "rank_at", "task_id"]
    op.create_index("review_tasks_to_claim", "review_tasks", order, postgresql_where=FREE)
    op.create_index(
        "review_tasks_by_policy",
        "review_tasks",
        ["project_id", "policy_id", "opened_at"],
        postgresql_where=sa.text("policy_id <> ''"),
    )
