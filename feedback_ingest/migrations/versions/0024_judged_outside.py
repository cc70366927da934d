"""Judged outside: which queues are at which tool, and which of their tasks are out."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Makes the tables, empty."""
    op.create_table(
        "review_places",
        _project(),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "queue_id", "tool"),
    )
    op.create_index("review_places_by_remote", "review_places", ["tool", "remote_id"])
    op.create_table(
        "review_exports",
        _project(),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("exported_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("read_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "task_id"),
    )
    op.create_index("review_exports_by_remote", "review_exports", ["project_id", "tool", "remote_id"])
    op.create_index("review_exports_to_read", "review_exports", ["project_id", "queue_id", "tool", "read_at"])


def _project() -> sa.Column[int]:
    return sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False)
