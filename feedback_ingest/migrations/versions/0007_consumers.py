"""Consumers: each has its own place in the log, and what enrichers add has its own table."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

# Those that stood together until now. Enrichment is new: it reads the log from its first offset.
APART = """
INSERT INTO consumer_positions (name, epoch, log_offset, updated_at, decided_offset)
SELECT k.name, p.epoch, p.log_offset, p.updated_at, p.log_offset
FROM consumer_positions p CROSS JOIN unnest(ARRAY['attribution', 'rolling_metrics', 'alerts', 'training_queue']) k(name)
WHERE p.name = 'stream'
ON CONFLICT (name) DO UPDATE
SET epoch = excluded.epoch, log_offset = excluded.log_offset,
    decided_offset = greatest(consumer_positions.log_offset, excluded.log_offset)
"""


def upgrade() -> None:
    """One row became one a consumer; that of the alerts was how far they had decided, and becomes their place too."""
    op.add_column(
        "consumer_positions", sa.Column("decided_offset", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    op.execute(APART)
    op.execute("DELETE FROM consumer_positions WHERE name = 'stream'")
    op.create_table(
        "live_enrichments",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("feedback_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "feedback_id", "source"),
    )
