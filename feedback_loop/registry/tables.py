"""The champion pointer as a row; what a model scored, and what it was trained on, stays in MLflow and the manifest."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, Text
from sqlmodel import Field, SQLModel


class Champion(SQLModel, table=True):
    """The version that serves one model name of a project: a pointer, moved only together with a `model_promoted` fact.

    `artifact_uri` and `artifact_sha256` are empty for a first model that was registered without an artifact.
    """

    __tablename__ = "champions"

    project_id: int = Field(primary_key=True)
    model_name: str = Field(sa_column=Column(Text, primary_key=True))
    model_version: str = Field(sa_column=Column(Text, nullable=False))
    artifact_uri: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    artifact_sha256: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    dataset_version: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    log_offset: int = Field(sa_column=Column(BigInteger, nullable=False))
    promoted_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    previous_version: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
