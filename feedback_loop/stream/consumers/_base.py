"""What a consumer is: effects of one micro-batch, written in the transaction that also moves the stream's position."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from graphlib import TopologicalSorter
from typing import Any, ClassVar, NamedTuple

from psycopg import Cursor
from sqlmodel import Session, SQLModel

from feedback_ingest.log import Fact, LogRow
from feedback_ingest.settings import Settings
from feedback_loop.learning.collecting import collect_classes
from feedback_loop.learning.judges import Judges
from feedback_loop.learning.keeping import Horizon, Model
from feedback_loop.registry.reward_models import judges
from feedback_loop.stream.waits import Due

Row = Mapping[str, Any]


class Event(NamedTuple):
    """One row of the log and what it says: a row of FEEDBACK_SCHEMA, one of INFERENCE_SCHEMA, or neither.

    `fault` is why it could not be read; attribution raises it when the event's turn has come.
    """

    row: LogRow
    feedback: dict[str, Any] | None = None
    inference: dict[str, Any] | None = None
    fault: Exception | None = None


class Change(NamedTuple):
    """One feedback whose attribution changed: its row (ATTRIBUTED_SCHEMA) before (None: it is new) and after.

    `cause_offset` is the event that changed it. Times in a row that was read back are RFC 3339 text.
    """

    cause_offset: int
    before: Row | None
    after: Row
    inference: Row | None


class Bucket(NamedTuple):
    """One bucket of event time of one metric of one model version in one segment: the key of a row of live_metrics.

    In live_sessions the session stands in the segment's place.
    """

    project_id: int
    model_name: str
    model_version: str
    metric: str
    segment: str
    bucket_start: datetime


@dataclass(slots=True)
class Movement:
    """What a batch adds to one bucket, and the newest event time that it adds there."""

    newest: datetime
    numerator: Decimal = Decimal(0)
    denominator: Decimal = Decimal(0)
    squares: Decimal = Decimal(0)
    weights: Decimal = Decimal(0)
    heaviest: Decimal = Decimal(1)
    """The most that one case of it stands for."""


class Trusted(NamedTuple):
    """What an end user's labels weigh, 0 to 1, and the event that had it so."""

    weight: float
    since_offset: int


@dataclass(slots=True)
class Batch:
    """A run of the log on its way through the consumers; each reads what those before it have found out."""

    events: Sequence[Event]
    changes: list[Change] = field(default_factory=list)
    enriched: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    """What the enrichers add to the feedback whose inference became known, by (project_id, feedback_id)."""
    moved: dict[Bucket, Movement] = field(default_factory=dict)
    horizons: dict[Model, Horizon] = field(default_factory=dict)
    """How far back the metrics of the batch's models are kept."""
    aged: set[Model] = field(default_factory=set)
    """The models whose horizon this batch has moved."""
    kept_out: set[tuple[int, str]] = field(default_factory=set)
    """Feedback of the batch that is not for the training queue, or held back, by (project_id, feedback_id)."""
    uncounted: set[tuple[int, str]] = field(default_factory=set)
    """Of the changed feedback what counts in no rolling metric, by (project_id, feedback_id)."""
    trust: dict[tuple[int, str], Trusted] = field(default_factory=dict)
    """By (project_id, user_ref) how far an end user is listened to, where anything was decided of them."""
    taken_out: set[tuple[int, str]] = field(default_factory=set)
    """Feedback that leaves the training queue though it has not changed, by (project_id, feedback_id)."""
    let_in: list[Change] = field(default_factory=list)
    """Feedback that was held back, or taken out, and is free now, its cause the event that ended that."""
    facts: list[Fact] = field(default_factory=list)
    """What is to be appended to the log when the batch is committed."""
    session: Session | None = None
    """The transaction of the effects, for who asks the registry in it."""
    known_judges: Judges | None = None
    is_replay: bool = False
    """Whether the consumer whose turn it is took all of this before a rebuild (else: none of it). Its decisions then
    stand in the log: it reads them back and makes none."""

    @property
    def first_offset(self) -> int:
        """The offset of its first event."""
        return self.events[0].row.log_offset

    @property
    def judges(self) -> Judges:
        """Which reward model judges which answer, asked of the registry once."""
        if self.known_judges is None:
            projects = {event.row.project_id for event in self.events}
            asked = None if self.session is None else judges(self.session, self.last_offset, projects)
            self.known_judges = asked or Judges()
        return self.known_judges

    @property
    def last_offset(self) -> int:
        """The offset the stream stands at once this batch is committed."""
        return self.events[-1].row.log_offset


class Consumer(ABC):
    """Keeps tables of its own by what each batch brings; between batches it remembers nothing but those tables."""

    name: ClassVar[str]
    after: ClassVar[tuple[str, ...]] = ()
    """The consumers whose findings in the batch it reads."""
    tables: ClassVar[tuple[type[SQLModel], ...]] = ()
    """What it alone writes and can write again from the log: a rebuild empties them."""
    relays: ClassVar[bool] = False
    """Whether it tells others what the log says: what it has not told before a rebuild is still to be told."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abstractmethod
    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Writes this batch's effects; `now` is the wall clock. Raises when an event cannot be taken."""

    def next_due(self, cursor: Cursor[Any]) -> Due | None:
        """What of its tables falls due next by the passing of time alone; None where nothing does."""
        return None

    def recall(self, batch: Batch, cursor: Cursor[Any]) -> None:
        """Tells the batch again what `apply` found out in it, for those that come after in another process.

        Only a consumer that has its findings in tables can; those after another one work in the same process.
        """
        raise NotImplementedError


@cache
def collect() -> Mapping[str, type[Consumer]]:
    """Every consumer by name, each after those it follows: one file each here, and those of installed packages."""
    found = collect_classes("feedback_loop.stream.consumers", Consumer)  # type: ignore[type-abstract]
    order = TopologicalSorter({name: found[name].after for name in found}).static_order()
    return {name: found[name] for name in order}
