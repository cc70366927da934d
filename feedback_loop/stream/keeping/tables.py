"""Tables of the metrics by session, and of how far back metrics are kept; the stream alone writes them."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Column, Index, Integer, Numeric
from sqlmodel import Field, SQLModel

from feedback_ingest.tables import timestamp
from feedback_loop.stream.tables import words


class LiveSession(SQLModel, table=True):
    """One bucket of event time of one metric of one model version, of what was said in one session."""

    __tablename__ = "live_sessions"
    __table_args__ = (Index("live_sessions_by_time", "project_id", "model_name", "bucket_start"),)

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    model_name: str = Field(sa_column=words(primary_key=True))
    session_id: str = Field(sa_column=words(primary_key=True))
    model_version: str = Field(sa_column=words(primary_key=True))
    metric: str = Field(sa_column=words(primary_key=True))
    bucket_start: datetime = Field(sa_column=timestamp(primary_key=True))
    numerator: Decimal = Field(sa_column=Column(Numeric(38, 6), nullable=False))
    denominator: Decimal = Field(sa_column=Column(Numeric(38, 6), nullable=False))
    squares: Decimal = Field(sa_column=Column(Numeric(38, 12), nullable=False))
    weights: Decimal = Field(sa_column=Column(Numeric(38, 6), nullable=False))


class LiveHorizon(SQLModel, table=True):
    """How far back a model's metrics are kept, and from when on finely."""

    __tablename__ = "live_horizons"

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    model_name: str = Field(sa_column=words(primary_key=True))
    fine_from: datetime = Field(sa_column=timestamp())
    kept_from: datetime = Field(sa_column=timestamp())
