"""Tables of what is judged outside; all in them can be asked of the tool again, by the ids that we gave."""

from datetime import datetime

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from feedback_ingest.tables import timestamp
from feedback_loop.review.tables import project


class ReviewPlace(SQLModel, table=True):
    """Where a queue is judged outside: as what, and the digest of the settings that the tool was told last."""

    __tablename__ = "review_places"
    __table_args__ = (Index("review_places_by_remote", "tool", "remote_id"),)

    project_id: int = project()
    queue_id: str = Field(sa_column=Column(Text, primary_key=True))
    tool: str = Field(sa_column=Column(Text, primary_key=True))
    remote_id: str = Field(sa_column=Column(Text, nullable=False))
    told: str = Field(sa_column=Column(Text, nullable=False))


class ReviewExport(SQLModel, table=True):
    """One task that is out: at which tool, under which id there, and when it was last looked at."""

    __tablename__ = "review_exports"
    __table_args__ = (
        Index("review_exports_by_remote", "project_id", "tool", "remote_id"),
        Index("review_exports_to_read", "project_id", "queue_id", "tool", "read_at"),
    )

    project_id: int = project()
    task_id: str = Field(sa_column=Column(Text, primary_key=True))
    queue_id: str = Field(sa_column=Column(Text, nullable=False))
    tool: str = Field(sa_column=Column(Text, nullable=False))
    remote_id: str = Field(sa_column=Column(Text, nullable=False))
    exported_at: datetime = Field(sa_column=timestamp())
    read_at: datetime = Field(sa_column=timestamp())
