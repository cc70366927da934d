"""Who learns from the training queue: written by the API alone, and left as they are by a rebuild of the queue."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Integer, Text
from sqlmodel import Field, SQLModel

from feedback_ingest.tables import timestamp


class TrainingGroup(SQLModel, table=True):
    """Trainers that share the work: each example goes to one of them.

    What stands in the queue up to (`ready_offset`, `log_offset`) was handed out; what of it was not acknowledged has a
    claim.
    """

    __tablename__ = "training_groups"

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    name: str = Field(sa_column=Column(Text, primary_key=True))
    model_name: str | None = Field(default=None, sa_column=Column(Text))
    ready_offset: int = Field(sa_column=Column(BigInteger, nullable=False))
    log_offset: int = Field(sa_column=Column(BigInteger, nullable=False))
    made_at: datetime = Field(sa_column=timestamp())
    moved_at: datetime = Field(sa_column=timestamp())


class TrainingClaim(SQLModel, table=True):
    """An example that a group was given and has not acknowledged; from `leased_until` on it may go to another."""

    __tablename__ = "training_claims"
    __table_args__ = (
        Index("training_claims_by_lease", "project_id", "group_name", "leased_until"),
        Index("training_claims_by_claim", "project_id", "group_name", "claim_id"),
    )

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    group_name: str = Field(sa_column=Column(Text, primary_key=True))
    feedback_id: str = Field(sa_column=Column(Text, primary_key=True))
    ready_offset: int = Field(sa_column=Column(BigInteger, nullable=False))
    claim_id: str = Field(sa_column=Column(Text, nullable=False))
    worker: str = Field(sa_column=Column(Text, nullable=False))
    attempt: int = Field(sa_column=Column(Integer, nullable=False))
    leased_until: datetime = Field(sa_column=timestamp())
