"""Loop latency: when the stream was through with what, and when each model version first answered."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Makes both tables."""
    op.create_table(
        "passages",
        sa.Column("last_offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("consumers", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("first_offset", sa.BigInteger(), nullable=False),
        sa.Column("passed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("last_offset", "consumers"),
    )
    op.create_table(
        "served_versions",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("first_offset", sa.BigInteger(), nullable=False),
        sa.Column("first_answer_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "model_name", "model_version"),
    )
