"""Holds: what is held back now, what ends a hold, and what a hold's end lets in."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Cursor

from feedback_ingest.log import LogRow
from feedback_loop.learning.routes import Releases, Route, Row, held_until, is_held, is_verdict
from feedback_loop.stream.routing.book import RELEASED
from feedback_loop.stream.writing import json_text, pairs

Key = tuple[int, str]
VERDICT, FREED = "i:", "f:"

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
ADDED = """
SELECT e.project_id, e.feedback_id, e.answer FROM unnest(%s::int[], %s::text[]) AS k(project_id, id)
JOIN live_enrichments e ON e.project_id = k.project_id AND e.feedback_id = k.id ORDER BY e.source
"""


def ends_of(events: Iterable[tuple[LogRow, Row | None]]) -> dict[Key, int]:
    """What in a batch ends holds: (project_id, what it is about) with the newest offset."""
    found: dict[Key, int] = {}
    for row, feedback in events:
        if feedback is not None:
            if is_verdict(feedback):
                found[row.project_id, VERDICT + feedback["inference_request_id"]] = row.log_offset
        elif row.kind == RELEASED:
            found[row.project_id, FREED + row.body["subject"]] = row.log_offset
    return found


def end(cursor: Cursor[Any], ends: Mapping[Key, int], newest: datetime) -> set[Key]:
    """Keeps what ended holds, and frees what was held for it or longer than it was to be; what is free now."""
    freed = set(cursor.execute(EXPIRED, [newest]).fetchall())
    if ends:
        cursor.execute(KEEP_ENDS, (*pairs(ends), list(ends.values())))
        judged = {(p, about[2:]): offset for (p, about), offset in ends.items() if about.startswith(VERDICT)}
        if judged:
            freed.update(cursor.execute(JUDGED, (*pairs(judged), list(judged.values()))).fetchall())
        released = [(p, about[2:]) for p, about in ends if about.startswith(FREED)]
        if released:
            freed.update(cursor.execute(DROP, pairs(released)).fetchall())
    return freed


def hold(cursor: Cursor[Any], taken: Sequence[tuple[Row, Sequence[Route]]], newest: datetime) -> set[Key]:
    """Holds back those rows whose routes do, unless that is over already; what is held of them."""
    holding = [(row, routes) for row, routes in taken if held_until(row, routes) is not None]
    if not holding:
        return set()
    known = _ends(cursor, [row for row, _ in holding])
    held, rows = set(), []
    for row, routes in holding:
        mine = known.get(row["project_id"], Releases({}, {}, newest))._replace(newest=newest)
        if is_held(row, routes, mine):
            held.add((row["project_id"], row["feedback_id"]))
            if not row["is_undone"]:
                rows.append(_held_row(row, routes))
    if rows:
        cursor.execute(HOLD, [json_text(rows)])
    return held


def drop(cursor: Cursor[Any], keys: Collection[Key]) -> None:
    """Forgets holds of feedback that was undone."""
    if keys:
        cursor.execute(DROP, pairs(keys))


def load(cursor: Cursor[Any], keys: Collection[Key]) -> list[tuple[Row, Row]]:
    """The feedback of `keys` as attributed now, each with its inference."""
    return cursor.execute(LOAD, pairs(keys)).fetchall() if keys else []


def added_to(cursor: Cursor[Any], keys: Collection[Key]) -> dict[Key, dict[str, Any]]:
    """What the enrichers said of the feedback of `keys`."""
    enriched: dict[Key, dict[str, Any]] = {}
    for project_id, feedback_id, answer in cursor.execute(ADDED, pairs(keys)).fetchall() if keys else ():
        enriched.setdefault((project_id, feedback_id), {}).update(answer)
    return enriched


def _ends(cursor: Cursor[Any], rows: Sequence[Row]) -> dict[int, Releases]:
    abouts = {(row["project_id"], VERDICT + row["inference_request_id"]) for row in rows}
    abouts |= {(row["project_id"], FREED + row["feedback_id"]) for row in rows}
    found: dict[int, tuple[dict[str, int], dict[str, int]]] = {}
    for project_id, about, offset in cursor.execute(ENDS, pairs(abouts)).fetchall():
        verdicts, released = found.setdefault(project_id, ({}, {}))
        (verdicts if about.startswith(VERDICT) else released)[about[2:]] = offset
    never = datetime.min
    return {project_id: Releases(*each, never) for project_id, each in found.items()}


def _held_row(row: Row, routes: Sequence[Route]) -> dict[str, Any]:
    return {
        "project_id": row["project_id"],
        "feedback_id": row["feedback_id"],
        "inference_request_id": row["inference_request_id"],
        "log_offset": row["log_offset"],
        "routes": ", ".join(sorted(route.route_id for route in routes if route.hold)),
        "held_until": held_until(row, routes),
    }
