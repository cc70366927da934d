"""What a metric of a project's own adds up to; and webhooks stand where the metrics stand that are read again."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

# They move with the rolling metrics. Whom they told stays told: what they relayed, they have decided.
JOIN = """
UPDATE consumer_positions SET log_offset = 0, decided_offset = greatest(decided_offset, log_offset)
WHERE name = 'webhooks' AND EXISTS (
    SELECT FROM consumer_positions p WHERE p.name = 'rolling_metrics' AND p.log_offset = 0 AND p.decided_offset > 0)
"""


def upgrade() -> None:
    """Adds the column; what was registered before is a mean, as it was announced."""
    op.add_column("registered_metrics", sa.Column("kind", sa.Text(), server_default="mean", nullable=False))
    op.execute(JOIN)
