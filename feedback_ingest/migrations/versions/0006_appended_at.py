"""The log tells when each fact was written, so that the way from its receipt can be measured."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Adds an empty column and only then its default: nothing is rewritten, what was there has none."""
    op.add_column(
        "feedback_events",
        sa.Column("appended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        schema="staging",
    )
    op.execute("ALTER TABLE staging.feedback_events ALTER COLUMN appended_at SET DEFAULT clock_timestamp()")
