"""The table of samples as a SQLModel class; the stream alone writes it."""

from sqlalchemy import Column, Integer, LargeBinary
from sqlmodel import Field, SQLModel

from feedback_loop.stream.tables import whole, words


class LiveSample(SQLModel, table=True):
    """A sample of the dataset that a version was trained on, as `log_offset` says it: rows of float64, one a vector."""

    __tablename__ = "live_samples"

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    model_name: str = Field(sa_column=words(primary_key=True))
    model_version: str = Field(sa_column=words(primary_key=True))
    log_offset: int = Field(sa_column=whole())
    dimensions: int = Field(sa_column=Column(Integer, nullable=False))
    vectors: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
