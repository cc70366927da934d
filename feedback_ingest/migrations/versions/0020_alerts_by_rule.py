"""The last alert of a rule on a model version is found by key, however many there were."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Makes the index."""
    columns = ["project_id", "model_name", "model_version", "rule", "cause_offset"]
    op.create_index("alerts_by_rule", "alerts", columns, unique=False)
