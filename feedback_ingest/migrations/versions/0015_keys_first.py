"""Appending judges the keys before it touches the bodies."""

from alembic import op

from feedback_ingest.migrate import sql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Replaces the function; the tables stay as they are."""
    op.execute(sql("append_events"))
