"""Routes: their definitions, what is held back and what ended it, and the places that feedback is routed to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Makes the tables; the stream fills them from the log."""
    moment = postgresql.TIMESTAMP(timezone=True)
    op.create_table(
        "routes",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("route_id", sa.Text(), nullable=False),
        sa.Column("log_offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("defined_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "route_id", "log_offset"),
    )
    op.create_table(
        "route_counts",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("route_id", sa.Text(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "route_id"),
    )
    op.create_table(
        "held_feedback",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("feedback_id", sa.Text(), nullable=False),
        sa.Column("inference_request_id", sa.Text(), nullable=False),
        sa.Column("log_offset", sa.BigInteger(), nullable=False),
        sa.Column("routes", sa.Text(), nullable=False),
        sa.Column("held_until", moment, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "feedback_id"),
    )
    op.create_index("held_feedback_by_inference", "held_feedback", ["project_id", "inference_request_id"])
    op.create_index("held_feedback_by_end", "held_feedback", ["held_until"])
    op.create_table(
        "hold_ends",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("log_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "about"),
    )
    for table in ("review_candidates", "replay_candidates"):
        op.create_table(
            table,
            sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
            sa.Column("feedback_id", sa.Text(), nullable=False),
            sa.Column("route_id", sa.Text(), nullable=False),
            sa.Column("inference_request_id", sa.Text(), nullable=False),
            sa.Column("log_offset", sa.BigInteger(), nullable=False),
            sa.Column("reason", sa.Text(), nullable=False),
            sa.Column("received_at", moment, nullable=False),
            sa.PrimaryKeyConstraint("project_id", "feedback_id", "route_id"),
        )
