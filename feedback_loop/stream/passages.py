"""When a run of the log was through: noted once a batch, at its end, and never again in a rebuild.

It is measured, not derived: what a rebuild does anew has another time, so the first time stands, for a week.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg import Cursor

KEPT = timedelta(days=7)
SWEEP_EVERY = 5_000
"""After so many offsets the oldest notes are looked at; a batch has one event at least, so that is all of as many."""

NOTE = """
INSERT INTO passages (last_offset, consumers, first_offset, passed_at)
SELECT %(last)s, %(consumers)s::text[], %(first)s, %(now)s
WHERE NOT EXISTS (SELECT FROM passages WHERE last_offset >= %(last)s AND consumers && %(consumers)s::text[])
"""
SWEEP = """
DELETE FROM passages p
USING (SELECT last_offset, consumers FROM passages ORDER BY last_offset, consumers LIMIT %s) o
WHERE p.last_offset = o.last_offset AND p.consumers = o.consumers AND p.passed_at < %s
"""


def note(cursor: Cursor[Any], consumers: Sequence[str], first_offset: int, last_offset: int, now: datetime) -> None:
    """Notes that `consumers` have these offsets behind them, in the caller's transaction, as its last but the log."""
    given = {"consumers": sorted(consumers), "first": first_offset, "last": last_offset, "now": now}
    cursor.execute(NOTE, given)
    if last_offset // SWEEP_EVERY != (first_offset - 1) // SWEEP_EVERY:
        cursor.execute(SWEEP, (SWEEP_EVERY, now - KEPT))
