"""Who is new where: first feedback of end users, and what new and known ones say of a model version by the hour."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Cursor

from feedback_loop.learning.trust.brigades import BEFORE, NEW_FOR_S, TOGETHER, Hour, outcome_of
from feedback_loop.learning.trust.profiles import HOUR_S
from feedback_loop.stream.writing import pairs

User = tuple[int, str]
Row = Mapping[str, Any]
Change = tuple[int, Row | None, Row, Row | None]
"""What caused it, the feedback before and after, and its inference."""

MEET = """
INSERT INTO live_actors (project_id, user_ref, first_offset, first_at)
SELECT * FROM unnest(%s::int[], %s::text[], %s::bigint[], %s::timestamptz[]) ON CONFLICT DO NOTHING
"""
FIRSTS = """
SELECT a.project_id, a.user_ref, a.first_offset, a.first_at FROM unnest(%s::int[], %s::text[]) AS k(p, u)
JOIN live_actors a ON a.project_id = k.p AND a.user_ref = k.u
"""
CAME_TO = """
UPDATE live_actors a SET first_target = k.target FROM unnest(%s::int[], %s::text[], %s::text[]) AS k(p, u, target)
WHERE a.project_id = k.p AND a.user_ref = k.u
"""
ADD = """
INSERT INTO live_crowds AS c (project_id, target, hour, newcomers, new_votes, new_good, known_votes, known_good)
SELECT * FROM unnest(%s::int[], %s::text[], %s::int[], %s::int[], %s::int[], %s::int[], %s::int[], %s::int[])
ON CONFLICT (project_id, target, hour) DO UPDATE
SET newcomers = c.newcomers + excluded.newcomers, new_votes = c.new_votes + excluded.new_votes,
    new_good = c.new_good + excluded.new_good, known_votes = c.known_votes + excluded.known_votes,
    known_good = c.known_good + excluded.known_good
"""
HOURS = """
SELECT hour, newcomers, new_votes, new_good, known_votes, known_good FROM live_crowds
WHERE project_id = %s AND target = %s AND hour > %s AND hour <= %s ORDER BY hour
"""
NEWCOMERS = """
SELECT user_ref FROM live_actors
WHERE project_id = %s AND first_target = %s AND first_at >= %s ORDER BY first_at LIMIT 1000
"""


class Target(NamedTuple):
    """A model version that is spoken of."""

    project_id: int
    name: str

    @property
    def model(self) -> tuple[str, str]:
        """Its model and version."""
        name, _, version = self.name.partition("\n")
        return name, version


def meet(cursor: Cursor[Any], rows: Iterable[Row]) -> None:
    """Keeps the first feedback of every end user who is named."""
    firsts: dict[User, Row] = {}
    for row in rows:
        if row["source_kind"] == "end_user" and row["user_ref"] is not None:
            firsts.setdefault((row["project_id"], row["user_ref"]), row)
    if firsts:
        offsets = [row["log_offset"] for row in firsts.values()]
        cursor.execute(MEET, (*pairs(firsts), offsets, [row["received_at"] for row in firsts.values()]))


def hear(cursor: Cursor[Any], changes: Iterable[Change]) -> dict[Target, int]:
    """Counts what became attributed; the targets that newcomers came to, each with the newest hour of it."""
    said = [change for change in changes if _is_news(change)]
    users = {_user(row) for _, _, row, _ in said}
    firsts = {(p, u): (offset, at) for p, u, offset, at in _all(cursor, users)}
    counts: defaultdict[tuple[Target, int], list[int]] = defaultdict(lambda: [0] * 5)
    came: dict[User, Target] = {}
    for _, _, row, inference in said:
        offset, first_at = firsts[_user(row)]
        target = Target(row["project_id"], f"{row['model_name']}\n{row['model_version']}")
        received_at = _time(row["received_at"])
        counted = counts[target, int(received_at.timestamp()) // HOUR_S]
        if row["log_offset"] == offset:
            counted[0] += 1
            came[_user(row)] = target
        assert inference is not None, "what is attributed has its inference"
        good = outcome_of(row, inference)
        if good is not None:
            is_known = received_at - first_at >= timedelta(seconds=NEW_FOR_S)
            counted[3 if is_known else 1] += 1
            counted[4 if is_known else 2] += good
    if counts:
        keys = sorted(counts)
        rows = ((*target, hour, *counts[target, hour]) for target, hour in keys)
        columns = [list(column) for column in zip(*rows, strict=True)]
        cursor.execute(ADD, columns)
    if came:
        cursor.execute(CAME_TO, (*pairs(came), [target.name for target in came.values()]))
    newest: dict[Target, int] = {}
    for target, hour in counts:
        if target in set(came.values()):
            newest[target] = max(newest.get(target, hour), hour)
    return newest


def hours(cursor: Cursor[Any], target: Target, now: int) -> list[Hour]:
    """What was said of a target in the hours that are looked at."""
    found = cursor.execute(HOURS, (*target, now - TOGETHER - BEFORE, now)).fetchall()
    return [Hour(*row) for row in found]


def newcomers(cursor: Cursor[Any], target: Target, now: int) -> list[str]:
    """The users who came to a target in the hours that are looked at together, the first of them first."""
    since = datetime.fromtimestamp((now - TOGETHER + 1) * HOUR_S, UTC)
    return [user for (user,) in cursor.execute(NEWCOMERS, (*target, since)).fetchall()]


def _all(cursor: Cursor[Any], users: Collection[User]) -> list[Any]:
    return cursor.execute(FIRSTS, pairs(users)).fetchall() if users else []


def _is_news(change: Change) -> bool:
    _, before, row, _ = change
    is_theirs = row["source_kind"] == "end_user" and row["user_ref"] is not None and not row["is_retraction"]
    was = before is not None and before["state"] == "attributed"
    return is_theirs and row["state"] == "attributed" and not was


def _user(row: Row) -> User:
    return row["project_id"], row["user_ref"]


def _time(moment: datetime | str) -> datetime:
    return datetime.fromisoformat(moment) if isinstance(moment, str) else moment
