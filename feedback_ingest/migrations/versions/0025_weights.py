"""Rolling metrics weigh what their clients sampled: the squares of the weights tell how sure a weighted ratio is."""

import sqlalchemy as sa
from alembic import op

from feedback_ingest.migrate import sql

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Adds the sum, and has the stream read the log again, because what it holds was never weighed."""
    op.execute("TRUNCATE live_metrics")
    op.add_column("live_metrics", sa.Column("weights", sa.Numeric(precision=38, scale=6), nullable=False))
    op.alter_column("rule_evidence", "samples", type_=sa.Float())
    op.add_column("rule_evidence", sa.Column("heaviest", sa.Float(), nullable=False, server_default=sa.text("1")))
    op.execute(sql("read_log_again"))
