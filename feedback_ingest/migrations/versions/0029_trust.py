"""Trust: what end users do by day, what was decided of them, who is new where, and what counts in no metric."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from feedback_ingest.migrate import sql

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Makes the tables, and has the stream read the log again: what metrics hold was never bounded."""
    moment = postgresql.TIMESTAMP(timezone=True)
    op.create_table(
        "live_actor_days",
        _project(),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        *(_count(name) for name in ("votes", "shown", "events", "hours", "texts", "repeats")),
        sa.PrimaryKeyConstraint("project_id", "actor", "day"),
    )
    op.create_table(
        "live_companies",
        _project(),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("actors", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("full_offset", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "day"),
    )
    op.create_table(
        "live_uncounted",
        _project(),
        sa.Column("feedback_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "feedback_id"),
    )
    op.create_table(
        "live_sketches",
        _project(),
        sa.Column("band", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("log_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "band"),
    )
    op.create_table(
        "actor_verdicts",
        _project(),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("log_offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("signal", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "subject", "log_offset"),
    )
    op.create_table(
        "live_actors",
        _project(),
        sa.Column("user_ref", sa.Text(), nullable=False),
        sa.Column("first_offset", sa.BigInteger(), nullable=False),
        sa.Column("first_at", moment, nullable=False),
        sa.Column("first_target", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "user_ref"),
    )
    op.execute("TRUNCATE live_sessions, live_horizons")
    op.execute("DELETE FROM consumer_positions WHERE name = 'sessions'")
    op.execute(sql("sum_log_again"))
    op.create_index("live_actors_by_target", "live_actors", ["project_id", "first_target", "first_at"])
    op.create_table(
        "live_crowds",
        _project(),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        *(_count(name) for name in ("newcomers", "new_votes", "new_good", "known_votes", "known_good")),
        sa.PrimaryKeyConstraint("project_id", "target", "hour"),
    )


def _project() -> "sa.Column[int]":
    return sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False)


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)
