"""Samples of what versions were trained on, kept live so that novelty can be told of each answer."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Makes the table; only the stream writes it."""
    op.create_table(
        "live_samples",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("log_offset", sa.BigInteger(), nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column("vectors", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "model_name", "model_version"),
    )
