"""Old partitions of the log may be files: their manifests, and what of their events is looked for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from feedback_ingest.migrate import sql

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Makes both tables, empty, and the view over them and the log."""
    whole, moment = sa.BigInteger(), postgresql.TIMESTAMP(timezone=True)
    op.create_table(
        "sealed_segments",
        sa.Column("first_offset", whole, autoincrement=False, nullable=False),
        sa.Column("last_offset", whole, nullable=False),
        sa.Column("rows", whole, nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("bytes", whole, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("first_received_at", moment, nullable=False),
        sa.Column("last_received_at", moment, nullable=False),
        sa.Column("sealed_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("first_offset"),
        sa.UniqueConstraint("last_offset"),
        schema="staging",
    )
    op.create_table(
        "sealed_events",
        sa.Column("log_offset", whole, autoincrement=False, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("inference_request_id", sa.Text(), nullable=True),
        sa.Column("received_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("log_offset"),
        schema="staging",
    )
    op.create_index(
        "sealed_events_by_inference", "sealed_events", ["project_id", "inference_request_id"], schema="staging"
    )
    op.create_index(
        "sealed_events_by_receipt", "sealed_events", ["received_at"], schema="staging", postgresql_using="brin"
    )
    op.execute(sql("known_events"))
