"""A project's own part of the log for readers outside: where a reader's words start in it, and a page of it."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel import Session, col, func, select

from feedback_ingest.errors import Fault, ValidationFailed
from feedback_ingest.log import head
from feedback_ingest.names import parse_time
from feedback_ingest.tables import FeedbackEvent

AGO = re.compile(r"\Alast:(\d{1,9})([smhd])\Z", re.ASCII)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
OFFSET = re.compile(r"\Aoffset:(\d{1,18})\Z", re.ASCII)


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


def first_offset(session: Session, start: str, now: datetime) -> int:
    """The offset that `start` names: earliest, latest, offset:N, ts:RFC3339 or last:24h; raises ValidationFailed."""
    if start in ("", "earliest"):
        return 1
    if start == "latest":
        return head(session) + 1
    named = OFFSET.match(start)
    if named:
        return max(1, int(named[1]))
    since = _since(start, now)
    if since is None:
        raise ValidationFailed(faults=(Fault("/start", "bad-format"),))
    wanted = select(func.min(FeedbackEvent.log_offset)).where(col(FeedbackEvent.received_at) >= since)
    return session.exec(wanted).one() or head(session) + 1


def page(session: Session, part: Part, after: int, newest: int, limit: int) -> list[RawRow]:
    """At most `limit` facts of the part with an offset above `after` and up to `newest`, in order."""
    if newest <= after:
        return []
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
    )
    rows = session.execute(wanted.order_by(col(FeedbackEvent.log_offset)).limit(limit)).all()
    return [RawRow(*row) for row in rows]


def _since(start: str, now: datetime) -> datetime | None:
    if start.startswith("ts:"):
        return parse_time(start[3:])
    ago = AGO.match(start)
    try:
        return now - timedelta(**{UNITS[ago[2]]: int(ago[1])}) if ago else None
    except OverflowError:
        return None
