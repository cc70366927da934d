"""Tenants: what projects may use, where browser keys may be used from, mended items, and the receiver's own role."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from feedback_ingest.migrate import sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds columns only (each with a constant default or none, so no table is rewritten), then the role."""
    moment = postgresql.TIMESTAMP(timezone=True)
    op.add_column("projects", sa.Column("created_at", moment, nullable=True))
    op.add_column("projects", sa.Column("events_per_day", sa.BigInteger(), nullable=True))
    op.add_column("credentials", sa.Column("created_by", sa.Text(), nullable=True))
    op.add_column(
        "credentials",
        sa.Column("origins", postgresql.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'")),
    )
    op.add_column("credentials", sa.Column("events_per_minute", sa.Integer(), nullable=True))
    op.add_column("credentials", sa.Column("bytes_per_minute", sa.BigInteger(), nullable=True))
    op.create_table(
        "project_usage",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "day"),
    )
    for column in (
        sa.Column("stage", sa.Text(), nullable=False, server_default="door"),
        sa.Column("mended", sa.LargeBinary(), nullable=True),
        sa.Column("decided_at", moment, nullable=True),
        sa.Column("log_offset", sa.BigInteger(), nullable=True),
    ):
        op.add_column("quarantined_items", column, schema="staging")
    op.execute(sql("receiver_role"))
