"""Doors: one-time feedback links and registered metrics."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from feedback_ingest.migrate import sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Makes both tables."""
    op.create_table(
        "registered_metrics",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("low", sa.Float(), nullable=True),
        sa.Column("high", sa.Float(), nullable=True),
        sa.Column("feedback_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("registered_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.project_id"]),
        sa.PrimaryKeyConstraint("project_id", "slug"),
    )
    op.create_table(
        "feedback_tokens",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("inference_request_id", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=True),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("user_ref", sa.Text(), nullable=True),
        sa.Column("feedback_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("max_uses", sa.Integer(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.project_id"]),
        sa.ForeignKeyConstraint(["key_id"], ["credentials.key_id"]),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    op.execute(sql("receiver_reads_metrics"))
