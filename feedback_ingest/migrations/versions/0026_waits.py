"""What waits falls due: feedback whose inference never comes, by the newest receipt and by projects' policies."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"

# What waits already waits as long as it would have from the start.
WAITING = """
UPDATE live_feedback
SET due_at = received_at + interval '1 day',
    row = (row::jsonb || jsonb_build_object('due_at', received_at + interval '1 day'))::json
WHERE state = 'pending'
"""


def upgrade() -> None:
    """Makes the tables, the column and its indexes; only the stream writes them."""
    op.create_table(
        "live_clock",
        sa.Column("clock", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("clock"),
    )
    op.create_table(
        "live_waits",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("log_offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "log_offset"),
    )
    op.add_column("live_feedback", sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.execute(WAITING)
    op.create_index(
        "live_feedback_unlinked",
        "live_feedback",
        ["project_id", "inference_request_id"],
        postgresql_where=sa.text("inference_offset IS NULL"),
    )
    op.create_index("live_feedback_due", "live_feedback", ["due_at"], postgresql_where=sa.text("state = 'pending'"))
    op.drop_index("live_feedback_waiting", table_name="live_feedback")
