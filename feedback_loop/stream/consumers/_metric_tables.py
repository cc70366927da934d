"""The tables of the rolling metrics: what is read of them for a batch, and what a batch writes."""

from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from psycopg import Cursor

from feedback_ingest.decisions import METRIC_REGISTERED
from feedback_loop.learning.metrics import Kinds, Place, Registered, registered_metrics
from feedback_loop.learning.segments import Admitted
from feedback_loop.stream.consumers._base import Bucket, Change, Event, Movement
from feedback_loop.stream.tables import LiveSegment
from feedback_loop.stream.writing import copy

LONGEST = 64

ADD = """
INSERT INTO {table} AS m (
    project_id, model_name, model_version, metric, {split}, bucket_start, numerator, denominator, squares, weights)
SELECT * FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
                     %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[])
ON CONFLICT (project_id, model_name, model_version, metric, {split}, bucket_start)
DO UPDATE SET numerator = m.numerator + excluded.numerator, denominator = m.denominator + excluded.denominator,
              squares = m.squares + excluded.squares, weights = m.weights + excluded.weights
"""
# Only a bucket that something was taken out of can have become empty; an empty one is no bucket.
SWEEP = """
DELETE FROM {table} m
USING unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[]) AS k(p, n, v, m, s, b)
WHERE (m.project_id, m.model_name, m.model_version, m.metric, m.{split}, m.bucket_start)
    = (k.p, k.n, k.v, k.m, k.s, k.b)
  AND m.numerator = 0 AND m.denominator = 0
"""
BY_SEGMENT = {"table": "live_metrics", "split": "segment"}
BY_SESSION = {"table": "live_sessions", "split": "session_id"}
SEGMENTS = "SELECT project_id, name, value FROM live_segments WHERE project_id = ANY(%s)"
REGISTRATIONS = "SELECT project_id, metric, kind, log_offset FROM live_registrations WHERE project_id = ANY(%s)"
# The first registration counts: a kind never changes.
REGISTER = "INSERT INTO live_registrations VALUES (%s, %s, %s, %s) ON CONFLICT (project_id, metric) DO NOTHING"
VOTES = """
SELECT v.project_id, v.inference_request_id, v.question, v.answer, v.votes
FROM unnest(%s::int[], %s::text[], %s::text[]) AS k(p, i, q)
JOIN live_votes v ON v.project_id = k.p AND v.inference_request_id = k.i AND v.question = k.q
"""
COUNT_VOTES = """
INSERT INTO live_votes AS v (project_id, inference_request_id, question, answer, votes)
SELECT * FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::bigint[])
ON CONFLICT (project_id, inference_request_id, question, answer) DO UPDATE SET votes = v.votes + excluded.votes
"""
FORGET_VOTES = """
DELETE FROM live_votes v USING unnest(%s::int[], %s::text[], %s::text[], %s::text[]) AS k(p, i, q, a)
WHERE (v.project_id, v.inference_request_id, v.question, v.answer) = (k.p, k.i, k.q, k.a) AND v.votes = 0
"""


class Unit(NamedTuple):
    """One question about one inference: what is said of it is compared."""

    project_id: int
    inference_request_id: str
    question: str


def learn_registered(cursor: Cursor[Any], events: Iterable[Event]) -> None:
    """Keeps the metrics that the batch registers."""
    for each in registered_metrics(event.row for event in events if event.row.kind == METRIC_REGISTERED):
        cursor.execute(REGISTER, each)


def registered(cursor: Cursor[Any], events: Iterable[Event], changes: Iterable[Change]) -> Kinds:
    """The own metrics of every project that the batch speaks of."""
    projects = {event.row.project_id for event in events} | {change.after["project_id"] for change in changes}
    found = cursor.execute(REGISTRATIONS, [list(projects)]).fetchall()
    return {(row[0], row[1]): Registered(*row) for row in found}


def admit(cursor: Cursor[Any], events: Iterable[Event], places: Iterable[Place]) -> Admitted:
    """The segments that are split by, with those that the batch brings and for which there is room."""
    seen = dict.fromkeys(
        (row["project_id"], row["segments"])
        for event in events
        if (row := event.inference or event.feedback) is not None and row["segments"] is not None
    )
    projects = {project for project, _ in seen} | {place.project_id for place in places if place.own or place.asked}
    if not projects:
        return Admitted()
    admitted = Admitted(cursor.execute(SEGMENTS, [list(projects)]).fetchall())
    new = admitted.admit(seen)
    if new:
        copy(cursor, LiveSegment, new)
    return admitted


def add(
    cursor: Cursor[Any], moved: Mapping[Bucket, Movement], emptied: Collection[Bucket], table: Mapping[str, str]
) -> None:
    """Adds what moved, always in one order of keys; of `emptied`, those that hold nothing any more are gone."""
    rows = [
        (*key, by.numerator, by.denominator, by.squares, by.weights)
        for key, by in sorted(moved.items(), key=lambda m: m[0])
    ]
    if rows:
        cursor.execute(ADD.format(**table), [list(column) for column in zip(*rows, strict=True)])
    if emptied:
        cursor.execute(SWEEP.format(**table), [list(column) for column in zip(*sorted(emptied), strict=True)])


def told_apart(answer: str) -> str:
    """An answer as the key of a row: a long one does not fit an index, and its digest stands for it."""
    return answer if len(answer) <= LONGEST else sha256(answer.encode()).hexdigest()


def votes(cursor: Cursor[Any], units: Collection[Unit]) -> dict[Unit, dict[str, int]]:
    """How often each answer was given so far, by unit; one that nobody judged yet is missing."""
    columns = [list(column) for column in zip(*units, strict=True)]
    found: dict[Unit, dict[str, int]] = {}
    for *unit, answer, count in cursor.execute(VOTES, columns).fetchall():
        found.setdefault(Unit(*unit), {})[answer] = count
    return found


def count_votes(cursor: Cursor[Any], cast: Mapping[Unit, Mapping[str, int]]) -> None:
    """Adds the votes that came and takes off those that went (counts below 0)."""
    rows = sorted((*unit, answer, count) for unit, counts in cast.items() for answer, count in counts.items() if count)
    if rows:
        cursor.execute(COUNT_VOTES, [list(column) for column in zip(*rows, strict=True)])
    gone = [row[:4] for row in rows if row[4] < 0]
    if gone:
        cursor.execute(FORGET_VOTES, [list(column) for column in zip(*gone, strict=True)])
