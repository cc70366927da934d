"""The table of what sources outside the log know, as a SQLModel class; the stream alone writes it."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Index, Integer, text
from sqlmodel import Field, SQLModel

from feedback_ingest.tables import timestamp
from feedback_loop.stream.tables import whole, words


class LiveContext(SQLModel, table=True):
    """What a source is asked about one thing, and what it last said of it; `is_open` while an answer is awaited."""

    __tablename__ = "live_contexts"
    __table_args__ = (Index("live_contexts_open", "source", "asked_offset", postgresql_where=text("is_open")),)

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    source: str = Field(sa_column=words(primary_key=True))
    about: str = Field(sa_column=words(primary_key=True))
    subject: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    is_open: bool = Field(sa_column=Column(Boolean, nullable=False))
    asked_offset: int | None = Field(default=None, sa_column=whole(nullable=True))
    asked_at: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))
    answered_at: datetime | None = Field(default=None, sa_column=timestamp(nullable=True))
    is_missing: bool = Field(sa_column=Column(Boolean, nullable=False))
    answer: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
