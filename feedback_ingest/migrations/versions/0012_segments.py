"""Metrics by segment, votes on one answer, metrics of a project's own: kept from the first offset on."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from feedback_ingest.migrate import sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Makes the tables and has the stream read the log again, because what they hold was never summed."""
    make_metrics()
    make_what_they_need()
    op.execute(sql("read_log_again"))


def make_metrics() -> None:
    """Makes the table of the sums anew: the segment is part of its key."""
    op.drop_table("live_metrics")
    op.create_table(
        "live_metrics",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("bucket_start", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("numerator", sa.Numeric(precision=38, scale=6), nullable=False),
        sa.Column("denominator", sa.Numeric(precision=38, scale=6), nullable=False),
        sa.Column("squares", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "model_name", "model_version", "metric", "segment", "bucket_start"),
    )


def make_what_they_need() -> None:
    """Which segments there are, how often what was answered, and which metrics projects registered."""
    op.create_table(
        "live_segments",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "name", "value"),
    )
    op.create_table(
        "live_votes",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("inference_request_id", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("votes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "inference_request_id", "question", "answer"),
    )
    op.create_table(
        "live_registrations",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("log_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "metric"),
    )
