"""What each inference is worth, kept live for projects whose policy names metrics."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Makes the tables; only the stream writes them."""
    op.create_table(
        "live_rewards",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("inference_request_id", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("inference_offset", sa.BigInteger(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reward", sa.Float(), nullable=True),
        sa.Column("votes", sa.BigInteger(), nullable=False),
        sa.Column("feedback_id", sa.Text(), nullable=True),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("default_reward", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "inference_request_id", "metric"),
    )
    op.create_index("live_rewards_due", "live_rewards", ["due_at"], postgresql_where=sa.text("state = 'pending'"))
    op.create_table(
        "live_reward_votes",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("feedback_id", sa.Text(), nullable=False),
        sa.Column("inference_request_id", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("source_kind", sa.Text(), nullable=False),
        sa.Column("reward", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "feedback_id"),
    )
    op.create_index(
        "live_reward_votes_by_inference", "live_reward_votes", ["project_id", "inference_request_id", "metric"]
    )
