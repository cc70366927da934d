"""Holds: what is held back now, what ends a hold, and what a hold's end lets in."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from psycopg import Cursor

from feedback_ingest.log import LogRow
from feedback_loop.learning.routes import Releases, Route, Row, held_until, is_held, is_verdict
from feedback_loop.stream.routing.book import RELEASED
from feedback_loop.stream.waits import TIME_PASSED, Due
from feedback_loop.stream.writing import json_text, pairs

Key = tuple[int, str]
VERDICT, FREED = "i:", "f:"
RECEIVED = ("feedback", "inference", TIME_PASSED)
"""Kinds of events by whose receipt holds expire."""

NEXT_END = "SELECT project_id, held_until FROM held_feedback ORDER BY held_until LIMIT 1"

KEEP_ENDS = """
INSERT INTO hold_ends AS e (project_id, about, log_offset)
SELECT * FROM unnest(%s::int[], %s::text[], %s::bigint[])
ON CONFLICT (project_id, about) DO UPDATE SET log_offset = greatest(e.log_offset, excluded.log_offset)
"""
ENDS = """
SELECT e.project_id, e.about, e.log_offset FROM unnest(%s::int[], %s::text[]) AS k(project_id, about)
JOIN hold_ends e ON e.project_id = k.project_id AND e.about = k.about
"""
EXPIRED = "DELETE FROM held_feedback WHERE held_until <= %s RETURNING project_id, feedback_id"
JUDGED = """
DELETE FROM held_feedback h USING unnest(%s::int[], %s::text[], %s::bigint[]) AS k(project_id, id, log_offset)
WHERE h.project_id = k.project_id AND h.inference_request_id = k.id AND h.log_offset < k.log_offset
RETURNING h.project_id, h.feedback_id
"""
DROP = """
DELETE FROM held_feedback h USING unnest(%s::int[], %s::text[]) AS k(project_id, id)
WHERE h.project_id = k.project_id AND h.feedback_id = k.id RETURNING h.project_id, h.feedback_id
"""
HOLD = """
INSERT INTO held_feedback SELECT * FROM json_populate_recordset(NULL::held_feedback, %s)
ON CONFLICT (project_id, feedback_id) DO UPDATE SET held_until = excluded.held_until, routes = excluded.routes
"""
LOAD = """
SELECT f.row, i.answer FROM unnest(%s::int[], %s::text[]) AS k(project_id, id)
JOIN live_feedback f ON f.project_id = k.project_id AND f.feedback_id = k.id
JOIN live_inferences i ON i.project_id = f.project_id AND i.inference_request_id = f.inference_request_id
"""


class Ends(NamedTuple):
    """What in a batch ends holds, as offsets: verdicts by inference, releases by feedback, and each newest receipt."""

    verdicts: dict[Key, list[int]]
    released: dict[Key, int]
    receipts: list[tuple[datetime, int]]

    @property
    def newest(self) -> datetime:
        """The newest time of receipt in the batch."""
        return self.receipts[-1][0]

    def first(self, row: Row, until: datetime) -> int | None:
        """The first event of the batch that ends a row's hold; None where none does."""
        judged = self.verdicts.get((row["project_id"], row["inference_request_id"]), [])
        place = bisect_left(self.receipts, (until, 0))
        found = [
            *(offset for offset in judged if offset > row["log_offset"]),
            *(offset for offset in [self.released.get(_key(row))] if offset is not None),
            *(offset for _, offset in self.receipts[place : place + 1]),
        ]
        return min(found, default=None)


def ends_of(events: Iterable[tuple[LogRow, Row | None]]) -> Ends:
    """What ends holds among the events of a batch, each given with its feedback."""
    ends = Ends({}, {}, [])
    for row, feedback in events:
        if row.kind in RECEIVED and (not ends.receipts or row.received_at > ends.newest):
            ends.receipts.append((row.received_at, row.log_offset))
        if feedback is not None and is_verdict(feedback):
            about = row.project_id, feedback["inference_request_id"]
            ends.verdicts.setdefault(about, []).append(row.log_offset)
        elif row.kind == RELEASED:
            ends.released.setdefault((row.project_id, row.body["subject"]), row.log_offset)
    return ends


def hold(
    cursor: Cursor[Any], taken: Sequence[tuple[Row, Sequence[Route]]], ends: Ends
) -> tuple[set[Key], dict[Key, int]]:
    """Holds back those rows whose routes do: what is held, and whose hold an event of this batch ends, with its offset.

    Call it before `end`: what ended holds in earlier batches is read from the table.
    """
    holding = [(row, routes, until) for row, routes in taken if (until := held_until(row, routes)) is not None]
    if not holding:
        return set(), {}
    known = _ends(cursor, [row for row, _, _ in holding])
    never = datetime.min.replace(tzinfo=UTC)
    held, ended, rows = set(), {}, []
    for row, routes, until in holding:
        before = Releases(*known.get(row["project_id"], ({}, {})), never)
        first = ends.first(row, until)
        if not is_held(row, routes, before):
            continue
        if first is not None:
            ended[_key(row)] = first
        else:
            held.add(_key(row))
            rows += [] if row["is_undone"] else [_held_row(row, routes, until)]
    if rows:
        cursor.execute(HOLD, [json_text(rows)])
    return held, ended


def end(cursor: Cursor[Any], ends: Ends) -> set[Key]:
    """Keeps what ended holds, and frees what was held in earlier batches until now; what is free now."""
    freed = set(cursor.execute(EXPIRED, [ends.newest]).fetchall()) if ends.receipts else set()
    abouts = {(p, VERDICT + name): offsets[-1] for (p, name), offsets in ends.verdicts.items()}
    abouts |= {(p, FREED + name): offset for (p, name), offset in ends.released.items()}
    if abouts:
        cursor.execute(KEEP_ENDS, (*pairs(abouts), list(abouts.values())))
    if ends.verdicts:
        newest = [offsets[-1] for offsets in ends.verdicts.values()]
        freed.update(cursor.execute(JUDGED, (*pairs(ends.verdicts), newest)).fetchall())
    if ends.released:
        freed.update(cursor.execute(DROP, pairs(ends.released)).fetchall())
    return freed


def next_end(cursor: Cursor[Any]) -> Due | None:
    """The hold that expires next; None while nothing is held."""
    row = cursor.execute(NEXT_END).fetchone()
    return Due(*row) if row else None


def drop(cursor: Cursor[Any], keys: Collection[Key]) -> None:
    """Forgets holds of feedback that was undone."""
    if keys:
        cursor.execute(DROP, pairs(keys))


def load(cursor: Cursor[Any], keys: Collection[Key]) -> list[tuple[Row, Row]]:
    """The feedback of `keys` as attributed now, each with its inference."""
    return cursor.execute(LOAD, pairs(keys)).fetchall() if keys else []


def _ends(cursor: Cursor[Any], rows: Sequence[Row]) -> dict[int, tuple[dict[str, int], dict[str, int]]]:
    """By project: the newest verdicts on the rows' inferences, and the rows' releases."""
    abouts = {(row["project_id"], VERDICT + row["inference_request_id"]) for row in rows}
    abouts |= {(row["project_id"], FREED + row["feedback_id"]) for row in rows}
    found: dict[int, tuple[dict[str, int], dict[str, int]]] = {}
    for project_id, about, offset in cursor.execute(ENDS, pairs(abouts)).fetchall():
        verdicts, released = found.setdefault(project_id, ({}, {}))
        (verdicts if about.startswith(VERDICT) else released)[about[2:]] = offset
    return found


def _held_row(row: Row, routes: Sequence[Route], until: datetime) -> dict[str, Any]:
    return {
        "project_id": row["project_id"],
        "feedback_id": row["feedback_id"],
        "inference_request_id": row["inference_request_id"],
        "log_offset": row["log_offset"],
        "routes": ", ".join(sorted(route.route_id for route in routes if route.hold)),
        "held_until": until,
    }


def _key(row: Row) -> Key:
    return row["project_id"], row["feedback_id"]
