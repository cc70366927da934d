"""The champion pointer as a row, and what it may point at; scores and training data stay in MLflow and the manifest."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Text, false
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
    is_held: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    """Whether an operator keeps it where it is: no rule moves it then."""


class KnownVersion(SQLModel, table=True):
    """A version on the shelf, as the pointer may be moved to it; `previous_version` served before it was promoted."""

    __tablename__ = "model_versions"

    project_id: int = Field(primary_key=True)
    model_name: str = Field(sa_column=Column(Text, primary_key=True))
    model_version: str = Field(sa_column=Column(Text, primary_key=True))
    artifact_uri: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    artifact_sha256: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    dataset_version: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    previous_version: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    promoted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True), nullable=True))
    rolled_back_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True), nullable=True))
