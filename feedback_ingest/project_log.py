"""A project's own part of the log for readers outside: where a reader's words start in it, and a page of it."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import Session, col, select

from feedback_ingest.decisions import KINDS as DECISIONS
from feedback_ingest.decisions import REVIEWS
from feedback_ingest.doors.tables import NamedConsumer
from feedback_ingest.errors import Fault, Forbidden, ValidationFailed
from feedback_ingest.log import head
from feedback_ingest.names import parse_time
from feedback_ingest.receive import Sender
from feedback_ingest.sealed import segments
from feedback_ingest.sealed.files import SealedRow
from feedback_ingest.tables import FeedbackEvent

AGO = re.compile(r"\Alast:(\d{1,9})([smhd])\Z", re.ASCII)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
OFFSET = re.compile(r"\Aoffset:(\d{1,18})\Z", re.ASCII)
CONSUMER = re.compile(r"\Aconsumer:([a-z0-9][a-z0-9._-]{0,63})\Z", re.ASCII)
KIND = re.compile(r"\A[a-z_]{1,64}\Z", re.ASCII)
MAX_KINDS = 32
RECEIVED_AT = text("SELECT received_at FROM staging.known_events WHERE log_offset = :at")
FIRST_SINCE = text("""
SELECT log_offset FROM staging.known_events WHERE log_offset >= :low AND received_at >= :since
ORDER BY log_offset LIMIT 1
""")
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
SKEW = timedelta(minutes=1)
"""Times of receipt are in the order of offsets but for the clocks of several receivers, which differ by less."""
PIECE = 100
"""Rows fetched at once: with the largest events, what they take stays within tens of megabytes."""


class Part(NamedTuple):
    """Which part of the log: a project's facts of some kinds."""

    project_id: int
    kinds: Sequence[str]


class RawRow(NamedTuple):
    """One fact with its body as the JSON text that is kept."""

    log_offset: int
    kind: str
    id: str
    received_at: datetime
    occurred_at: datetime
    body: str


class Page(NamedTuple):
    """Facts in order of offset, and where their reader goes on: behind them, or behind all that was looked at."""

    rows: list[RawRow]
    next_offset: int


def part_of(sender: Sender, kinds: Sequence[str]) -> Part:
    """The part that `sender` asks for, feedback and inferences by default.

    Raises ValidationFailed for what is no kind, Forbidden for decisions of people without the scope admin.
    """
    if len(kinds) > MAX_KINDS:
        raise ValidationFailed(faults=(Fault("/kinds", "too-long"),))
    if not all(map(KIND.match, kinds)):
        raise ValidationFailed(faults=(Fault("/kinds", "bad-format"),))
    if set(kinds) & {*DECISIONS, *REVIEWS} and not sender.may("admin"):
        raise Forbidden("Decisions of people are read with the scope admin.", (Fault("/kinds", "above-the-cap"),))
    return Part(sender.project_id, list(kinds) or ["feedback", "inference"])


def first_offset(session: Session, project_id: int, start: str, now: datetime, pointer: str = "/from") -> int:
    """The offset that `start` names: earliest, latest, offset:N, ts:RFC3339, last:24h, or consumer:NAME.

    A consumer goes on behind what it committed. Raises ValidationFailed, with the fault at `pointer`.
    """
    if start in ("", "earliest"):
        return 1
    if start == "latest":
        return head(session) + 1
    named = OFFSET.match(start)
    if named:
        return max(1, int(named[1]))
    if start.startswith("consumer:"):
        return _committed(session, project_id, start, pointer) + 1
    since = _since(start, now)
    if since is None:
        raise ValidationFailed(faults=(Fault(pointer, "bad-format"),))
    return _first_since(session, since)


def page(session: Session, part: Part, after: int, newest: int, limit: int, max_bytes: int) -> Page:
    """At most `limit` facts of the part with an offset above `after` and up to `newest`, in order.

    It ends with the fact whose body brings the page to `max_bytes`, so it holds at least one where there is one.
    """
    rows: list[RawRow] = []
    size = 0
    for row in _rows(session, part, after, newest, limit):
        rows.append(row)
        size += len(row.body)
        if size >= max_bytes or len(rows) == limit:
            return Page(rows, row.log_offset + 1)
    return Page(rows, max(after, newest) + 1)


def _rows(session: Session, part: Part, after: int, newest: int, limit: int) -> Iterable[RawRow]:
    while limit > 0 and newest > after:
        count = min(PIECE, limit)
        piece = _piece(session, part, after, newest, count)
        yield from piece
        if len(piece) < count:
            return
        limit -= count
        after = piece[-1].log_offset


def _piece(session: Session, part: Part, after: int, newest: int, limit: int) -> list[RawRow]:
    wanted = select(
        FeedbackEvent.log_offset,
        FeedbackEvent.kind,
        FeedbackEvent.id,
        FeedbackEvent.received_at,
        FeedbackEvent.occurred_at,
        FeedbackEvent.body,
    ).where(  # type: ignore[call-overload]
        FeedbackEvent.project_id == part.project_id,
        col(FeedbackEvent.log_offset) > after,
        col(FeedbackEvent.log_offset) <= newest,
        col(FeedbackEvent.kind).in_(part.kinds),
        segments.nothing_sealed_behind(after),
    )
    rows = session.execute(wanted.order_by(col(FeedbackEvent.log_offset)).limit(limit)).all()
    if rows or (sealed := segments.through(session)) <= after:
        return [RawRow(*row) for row in rows]
    files = segments.rows(session, after, limit, part.kinds, part.project_id)
    found = [_raw(row) for row in files if row.log_offset <= newest]
    if len(found) == limit or sealed >= newest:
        return found
    return found + _piece(session, part, sealed, newest, limit - len(found))


def _raw(row: SealedRow) -> RawRow:
    return RawRow(row.log_offset, row.kind, row.id, row.received_at, row.occurred_at, row.body)


def _committed(session: Session, project_id: int, start: str, pointer: str) -> int:
    named = CONSUMER.match(start)
    known = session.get(NamedConsumer, (project_id, named[1])) if named else None
    if known is None:
        raise ValidationFailed(faults=(Fault(pointer, "unknown-consumer" if named else "bad-format"),))
    return known.log_offset


def _first_since(session: Session, since: datetime) -> int:
    """The first event received at `since` or later, in as many looks as the log's length has digits in binary."""
    newest = head(session)
    low, high, since = 1, newest + 1, max(since, EARLIEST)
    while low < high:
        middle = (low + high) // 2
        at = session.execute(RECEIVED_AT, {"at": middle}).scalar()
        low, high = (middle + 1, high) if at is None or at < since - SKEW else (low, middle)
    found = session.execute(FIRST_SINCE, {"low": low, "since": since}).scalar()
    return found if found is not None else newest + 1


def _since(start: str, now: datetime) -> datetime | None:
    if start.startswith("ts:"):
        return parse_time(start[3:])
    ago = AGO.match(start)
    try:
        return now - timedelta(**{UNITS[ago[2]]: int(ago[1])}) if ago else None
    except OverflowError:
        return None
