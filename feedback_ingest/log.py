"""The log for synchronous code: append facts, read from any offset; the door's writer is in group_commit.py."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

import orjson
from sqlalchemy import func, text
from sqlmodel import Session, col, select

from feedback_ingest.canonical import Pepper, canonical_json
from feedback_ingest.sealed import segments
from feedback_ingest.tables import FeedbackEvent, LogHead

CHANNEL = "feedback_log"
"""LISTEN here to be woken after a commit; the payload is empty and a wake-up may be lost, so poll as well."""

APPEND = """
SELECT ord, log_offset, status FROM staging.append_events(
    CAST({0} AS int[]), CAST({1} AS text[]), CAST({2} AS text[]), CAST({3} AS bytea[]),
    CAST({4} AS timestamptz[]), CAST({5} AS timestamptz[]), CAST({6} AS text[]))
"""
"""The one statement that writes the log; migrations/sql/append_events.sql says how and why."""

COLUMNS: Any = (
    FeedbackEvent.log_offset,
    FeedbackEvent.project_id,
    FeedbackEvent.kind,
    FeedbackEvent.id,
    FeedbackEvent.occurred_at,
    FeedbackEvent.received_at,
    FeedbackEvent.body,
)
"""What a LogRow, or a row of a sealed file, is made of, in its order."""

Logged: TypeAlias = tuple[Any, ...]
"""A row of COLUMNS, or of a sealed file, with its body as text."""

Status = Literal["accepted", "duplicate", "conflict"]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened, ready to be appended: `body` is what is kept, (project, kind, id) is its name."""

    project_id: int
    kind: str
    id: str
    body: dict[str, Any]
    occurred_at: datetime


class Item(NamedTuple):
    """One event ready to be written: the parameters of append_events in their order; `body` is canonical JSON."""

    project_id: int
    kind: str
    id: str
    fingerprint: bytes
    received_at: datetime
    occurred_at: datetime
    body: str


class Appended(NamedTuple):
    """What became of one fact: its place in the log, and whether it was new, known, or known with other content.

    `received_at` is when a known one was first received, where the writer has looked.
    """

    log_offset: int
    status: Status
    received_at: datetime | None = None


class LogRow(NamedTuple):
    """One fact as it stands in the log; times are UTC, `body` is the event as sent."""

    log_offset: int
    project_id: int
    kind: str
    id: str
    occurred_at: datetime
    received_at: datetime
    body: dict[str, Any]


def append(session: Session, facts: Sequence[Fact], received_at: datetime, pepper: Pepper) -> list[Appended]:
    """Appends `facts` in order; the caller commits, soon, because the log's lock is held until then."""
    if not facts:
        return []
    columns = zip(*(prepare(fact, received_at, pepper) for fact in facts), strict=True)
    values = {name: list(column) for name, column in zip(Item._fields, columns, strict=True)}
    statement = text(APPEND.format(*(f":{name}" for name in Item._fields)))
    rows = session.execute(statement, values).all()
    return [Appended(row.log_offset, row.status) for row in rows]


def prepare(fact: Fact, received_at: datetime, pepper: Pepper) -> Item:
    """`fact` as it is written; what claims to have occurred after its receipt occurred at its receipt."""
    body = canonical_json(fact.body)
    occurred_at = min(fact.occurred_at, received_at)
    return Item(fact.project_id, fact.kind, fact.id, pepper.fingerprint(body), received_at, occurred_at, body.decode())


def read(session: Session, after: int, limit: int, kinds: Sequence[str] | None = None) -> list[LogRow]:
    """At most `limit` rows with an offset above `after`, in order; only committed ones, and never with a gap.

    Where their partition is sealed they come from its file.
    """
    found = _stored(session, after, limit, kinds)
    if found or (sealed := segments.through(session)) <= after:
        return found
    found = [row_of(row) for row in segments.rows(session, after, limit, kinds)]
    return found + read(session, sealed, limit - len(found), kinds) if len(found) < limit else found


def at(session: Session, offsets: Collection[int]) -> dict[int, LogRow]:
    """The rows at `offsets`, by offset; an offset that the log has not reached is left out."""
    return {offset: row_of(row) for offset, row in texts_at(session, offsets).items()}


def texts_at(session: Session, offsets: Collection[int]) -> dict[int, Logged]:
    """The same with their bodies as text."""
    wanted = select(*COLUMNS).where(col(FeedbackEvent.log_offset).in_(offsets))
    found: dict[int, Logged] = {row.log_offset: tuple(row) for row in session.execute(wanted)}
    left = [offset for offset in offsets if offset not in found]
    return found | segments.at(session, left)


def _stored(session: Session, after: int, limit: int, kinds: Sequence[str] | None) -> list[LogRow]:
    wanted = select(*COLUMNS).where(col(FeedbackEvent.log_offset) > after, segments.nothing_sealed_behind(after))
    if kinds is not None:
        wanted = wanted.where(col(FeedbackEvent.kind).in_(kinds))
    return [row_of(row) for row in session.execute(wanted.order_by(col(FeedbackEvent.log_offset)).limit(limit))]


def row_of(row: Logged) -> LogRow:
    """The row with its body read."""
    log_offset, project_id, kind, name, occurred_at, received_at, body = row
    return LogRow(log_offset, project_id, kind, name, occurred_at, received_at, orjson.loads(body))


def head(session: Session) -> int:
    """The last committed offset; 0 while the log is empty."""
    return session.exec(select(func.max(LogHead.next_offset))).one() - 1
