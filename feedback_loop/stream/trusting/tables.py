"""Tables of trust as SQLModel classes; all are rebuilt from the log."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from feedback_ingest.tables import timestamp
from feedback_loop.stream.tables import whole, words


def project() -> int:
    """The first column of each."""
    return Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))


def count() -> int:
    """How often something came."""
    return Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))


class LiveActorDay(SQLModel, table=True):
    """What one actor did on one UTC day since 1970: votes and what was shown by receipt, the rest by event time."""

    __tablename__ = "live_actor_days"

    project_id: int = project()
    actor: str = Field(sa_column=words(primary_key=True))
    day: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    votes: int = count()
    shown: int = count()
    events: int = count()
    hours: int = count()
    texts: int = count()
    repeats: int = count()


class LiveCompany(SQLModel, table=True):
    """The first users of a UTC day of receipt, and the event with which they were enough to be called company."""

    __tablename__ = "live_companies"

    project_id: int = project()
    day: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    actors: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    full_offset: int | None = Field(default=None, sa_column=whole(nullable=True))


class LiveUncounted(SQLModel, table=True):
    """A feedback that counts in no rolling metric: its user's votes of the day were spent, or they were not heard."""

    __tablename__ = "live_uncounted"

    project_id: int = project()
    feedback_id: str = Field(sa_column=words(primary_key=True))


class LiveSketch(SQLModel, table=True):
    """A number that stands for a remark, and the first event that had it."""

    __tablename__ = "live_sketches"

    project_id: int = project()
    band: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    log_offset: int = Field(sa_column=whole())


class ActorVerdict(SQLModel, table=True):
    """A decision about an end user, as its fact in the log tells it."""

    __tablename__ = "actor_verdicts"

    project_id: int = project()
    subject: str = Field(sa_column=words(primary_key=True))
    log_offset: int = Field(sa_column=whole(primary_key=True, autoincrement=False))
    kind: str = Field(sa_column=words())
    weight: float = Field(sa_column=Column(Float, nullable=False))
    signal: str | None = Field(default=None, sa_column=words(nullable=True))
    reason: str = Field(sa_column=words())
    decided_by: str = Field(sa_column=words())
    decided_at: datetime = Field(sa_column=timestamp())


class LiveActor(SQLModel, table=True):
    """An end user, their first feedback, and the model version it was about, once that is known."""

    __tablename__ = "live_actors"
    __table_args__ = (Index("live_actors_by_target", "project_id", "first_target", "first_at"),)

    project_id: int = project()
    user_ref: str = Field(sa_column=words(primary_key=True))
    first_offset: int = Field(sa_column=whole())
    first_at: datetime = Field(sa_column=timestamp())
    first_target: str | None = Field(default=None, sa_column=words(nullable=True))


class LiveCrowd(SQLModel, table=True):
    """What new and known users said of one model version in one hour of receipt (since 1970)."""

    __tablename__ = "live_crowds"

    project_id: int = project()
    target: str = Field(sa_column=words(primary_key=True))
    hour: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    newcomers: int = count()
    new_votes: int = count()
    new_good: int = count()
    known_votes: int = count()
    known_good: int = count()
