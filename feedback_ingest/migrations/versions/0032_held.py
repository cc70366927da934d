"""Feedback that breaks a rule its project blocks is held: found by project when that demands something else."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Makes the index; nothing is held yet."""
    op.create_index("live_feedback_held", "live_feedback", ["project_id"], postgresql_where=sa.text("state = 'held'"))
