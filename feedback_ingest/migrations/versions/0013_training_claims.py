"""The training queue has an order that a rebuild keeps, and groups of trainers that are given its examples."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"

# An attributed feedback became ready when the later of the two arrived.
FILL = """
UPDATE training_examples e SET ready_offset = greatest(f.log_offset, f.inference_offset)
FROM live_feedback f WHERE f.project_id = e.project_id AND f.feedback_id = e.feedback_id
"""


def upgrade() -> None:
    """Adds and fills the order, then makes the tables."""
    whole, moment = sa.BigInteger(), postgresql.TIMESTAMP(timezone=True)
    op.add_column("training_examples", sa.Column("ready_offset", whole, nullable=False, server_default="0"))
    op.execute(FILL)
    op.alter_column("training_examples", "ready_offset", server_default=None)
    op.create_index("training_examples_by_order", "training_examples", ["project_id", "ready_offset", "log_offset"])
    op.create_table(
        "training_groups",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=True),
        sa.Column("ready_offset", whole, nullable=False),
        sa.Column("log_offset", whole, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("moved_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "name"),
    )
    op.create_table(
        "training_claims",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("feedback_id", sa.Text(), nullable=False),
        sa.Column("ready_offset", whole, nullable=False),
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("leased_until", moment, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "group_name", "feedback_id"),
    )
    by = ["project_id", "group_name"]
    op.create_index("training_claims_by_lease", "training_claims", [*by, "leased_until"])
    op.create_index("training_claims_by_claim", "training_claims", [*by, "claim_id"])
