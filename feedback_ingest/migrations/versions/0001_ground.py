"""The ground: projects, keys, the append-only log with its one way in, and the quarantine."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from feedback_ingest.migrate import sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables, then the functions, then the first project and the log's head."""
    op.execute("CREATE SCHEMA IF NOT EXISTS staging")
    make_projects()
    make_log()
    make_quarantine()
    for name in ("ensure_partitions", "append_events", "append_only"):
        op.execute(sql(name))
    op.execute("INSERT INTO projects (name) VALUES ('default')")
    op.execute(
        "INSERT INTO staging.log_head (shard, next_offset, partition_end, partition_rows) VALUES (0, 1, 1, 1000000)"
    )
    op.execute("SELECT staging.ensure_partitions(1)")


def make_projects() -> None:
    """Tenants and their keys."""
    op.create_table(
        "projects",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("pepper_check", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("project_id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "credentials",
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.project_id"],
        ),
        sa.PrimaryKeyConstraint("key_id"),
    )


def make_log() -> None:
    """The head, the keys and the partitioned log."""
    op.create_table(
        "log_head",
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("partition_end", sa.BigInteger(), nullable=False),
        sa.Column("partition_rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shard"),
        schema="staging",
        postgresql_with={"fillfactor": "10"},
    )
    op.create_table(
        "event_keys",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(collation="C"), nullable=False),
        sa.Column("id", sa.String(collation="C"), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("log_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "kind", "id"),
        schema="staging",
    )
    op.create_table(
        "feedback_events",
        sa.Column("log_offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("occurred_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("inference_request_id", sa.Text(), nullable=True),
        sa.Column("model_name", sa.Text(), nullable=True),
        sa.Column("model_version", sa.Text(), nullable=True),
        sa.Column("feedback_type", sa.Text(), nullable=True),
        sa.Column("feedback_value", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("user_context", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("log_offset"),
        schema="staging",
        postgresql_partition_by="RANGE (log_offset)",
    )
    op.create_index(
        "feedback_events_by_inference",
        "feedback_events",
        ["project_id", "inference_request_id"],
        unique=False,
        schema="staging",
    )
    op.create_index(
        "feedback_events_by_receipt",
        "feedback_events",
        ["received_at"],
        unique=False,
        schema="staging",
        postgresql_using="brin",
    )


def make_quarantine() -> None:
    """What the door refused, kept whole."""
    op.create_table(
        "quarantined_items",
        sa.Column("item_id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("received_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("faults", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("item_id"),
        schema="staging",
    )
    op.create_index(
        "quarantined_items_by_project", "quarantined_items", ["project_id", "item_id"], unique=False, schema="staging"
    )
