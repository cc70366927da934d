"""Review: queues, their items, who has which, and how far candidates were taken in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Makes the tables, empty; candidates that are there already are told by their own offsets."""
    whole, moment = sa.BigInteger(), postgresql.TIMESTAMP(timezone=True)
    data = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
    op.add_column("review_candidates", sa.Column("routed_offset", whole, server_default="0", nullable=False))
    op.execute("UPDATE review_candidates SET routed_offset = log_offset")
    op.create_index("review_candidates_by_offset", "review_candidates", ["project_id", "routed_offset"])
    op.create_table(
        "review_intake",
        _project(),
        sa.Column("routed_offset", whole, nullable=False),
        sa.PrimaryKeyConstraint("project_id"),
    )
    op.create_table(
        "review_queues",
        _project(),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("defined_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "queue_id"),
    )
    op.create_table(
        "review_tasks",
        _project(),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.Column("inference_request_id", sa.Text(), nullable=False),
        sa.Column("feedback_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("skill", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("is_gold", sa.Boolean(), nullable=False),
        sa.Column("gold_answer", sa.Text(), nullable=True),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("free", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", data, nullable=True),
        sa.Column("opened_at", moment, nullable=False),
        sa.Column("decided_at", moment, nullable=True),
        sa.CheckConstraint("free >= 0 AND labels + free <= wanted", name="never_more_than_wanted"),
        sa.PrimaryKeyConstraint("project_id", "task_id"),
    )
    op.create_table(
        "review_assignments",
        _project(),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lease_id", sa.Text(), nullable=False),
        sa.Column("leased_until", moment, nullable=True),
        sa.Column("value", data, nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("correct", sa.Boolean(), nullable=True),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "task_id", "reviewer"),
    )
    _index()


def _project() -> sa.Column[int]:
    return sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False)


def _index() -> None:
    by_queue = ["project_id", "queue_id"]
    op.create_index("review_tasks_by_item", "review_tasks", [*by_queue, "inference_request_id"], unique=True)
    op.create_index(
        "review_tasks_to_claim",
        "review_tasks",
        [*by_queue, "skill", sa.text("priority DESC"), "opened_at", "task_id"],
        postgresql_where=sa.text("free > 0 AND NOT is_gold"),
    )
    op.create_index("review_tasks_gold", "review_tasks", [*by_queue, "task_id"], postgresql_where=sa.text("is_gold"))
    op.create_index(
        "review_tasks_to_decide",
        "review_tasks",
        [*by_queue, "opened_at"],
        postgresql_where=sa.text("state = 'disputed' OR state = 'escalated'"),
    )
    leased = sa.text("state = 'leased'")
    op.create_index(
        "review_assignments_leased", "review_assignments", [*by_queue, "leased_until"], postgresql_where=leased
    )
    op.create_index("review_assignments_by_reviewer", "review_assignments", [*by_queue, "reviewer", "state", "at"])
    op.create_index(
        "review_assignments_submitted",
        "review_assignments",
        [*by_queue, "at"],
        postgresql_where=sa.text("answer <> ''"),
    )
