"""The newest metrics of a model are found by time, whatever the version, metric and segment."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Makes the index; only the stream writes the table."""
    op.create_index("live_metrics_by_time", "live_metrics", ["project_id", "model_name", "bucket_start"])
