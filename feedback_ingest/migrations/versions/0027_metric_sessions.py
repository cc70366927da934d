"""Metrics by session, and bounds to how long metrics are kept: both are summed from the first event."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from feedback_ingest.migrate import sql

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Makes the tables, and has those read the log again who sum what it says."""
    moment = postgresql.TIMESTAMP(timezone=True)
    op.create_table(
        "live_sessions",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("bucket_start", moment, nullable=False),
        sa.Column("numerator", sa.Numeric(precision=38, scale=6), nullable=False),
        sa.Column("denominator", sa.Numeric(precision=38, scale=6), nullable=False),
        sa.Column("squares", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("weights", sa.Numeric(precision=38, scale=6), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "model_name", "session_id", "model_version", "metric", "bucket_start"),
    )
    op.create_index("live_sessions_by_time", "live_sessions", ["project_id", "model_name", "bucket_start"])
    op.create_table(
        "live_horizons",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("fine_from", moment, nullable=False),
        sa.Column("kept_from", moment, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "model_name"),
    )
    op.execute(sql("sum_log_again"))
