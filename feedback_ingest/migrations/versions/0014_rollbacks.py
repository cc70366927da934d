"""Rollbacks: the versions that the champion pointer may be moved to, and whether an operator holds it."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Makes the table and enters the champions; what served before them is entered when it is registered again."""
    op.create_table(
        "model_versions",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("artifact_uri", sa.Text(), nullable=True),
        sa.Column("artifact_sha256", sa.Text(), nullable=True),
        sa.Column("dataset_version", sa.Text(), nullable=True),
        sa.Column("previous_version", sa.Text(), nullable=True),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rolled_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("project_id", "model_name", "model_version"),
    )
    op.execute("""
        INSERT INTO model_versions (project_id, model_name, model_version, artifact_uri, artifact_sha256,
                                    dataset_version, previous_version, promoted_at)
        SELECT project_id, model_name, model_version, artifact_uri, artifact_sha256, dataset_version, previous_version,
               promoted_at FROM champions
    """)
    op.add_column("champions", sa.Column("is_held", sa.Boolean(), server_default=sa.false(), nullable=False))
