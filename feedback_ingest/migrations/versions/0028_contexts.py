"""Contexts: what sources outside the log are asked and last said, and what came late of it for a feedback."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Makes the table and two columns, which are null where no source is asked; only the stream writes them."""
    op.create_table(
        "live_contexts",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("subject", sa.JSON(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("asked_offset", sa.BigInteger(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_missing", sa.Boolean(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "source", "about"),
    )
    op.create_index(
        "live_contexts_open", "live_contexts", ["source", "asked_offset"], postgresql_where=sa.text("is_open")
    )
    op.add_column("live_enrichments", sa.Column("waits_for", sa.Text(), nullable=True))
    op.add_column("live_enrichments", sa.Column("late_answer", sa.JSON(), nullable=True))
    op.create_index(
        "live_enrichments_waiting",
        "live_enrichments",
        ["project_id", "source", "waits_for"],
        postgresql_where=sa.text("waits_for IS NOT NULL"),
    )
