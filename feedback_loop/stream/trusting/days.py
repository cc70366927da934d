"""What end users did on each day: added to by every batch, and told as profiles."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from psycopg import Cursor

from feedback_loop.learning.trust.budgets import Company, Purse, purse_of
from feedback_loop.learning.trust.profiles import LOOK_BACK, Day, Profile, days_of
from feedback_loop.learning.trust.sketches import bands, remark_of, repeats
from feedback_loop.stream.writing import pairs

COMPANIES = """
SELECT c.project_id, c.day, c.actors, c.full_offset FROM unnest(%s::int[], %s::int[]) AS k(p, d)
JOIN live_companies c ON c.project_id = k.p AND c.day = k.d
"""
KEEP_COMPANY = """
INSERT INTO live_companies VALUES (%s, %s, %s, %s)
ON CONFLICT (project_id, day) DO UPDATE SET actors = excluded.actors, full_offset = excluded.full_offset
"""
IN_COMPANY = "SELECT DISTINCT project_id FROM live_companies WHERE project_id = ANY(%s) AND full_offset IS NOT NULL"
Actor = tuple[int, str]
Row = Mapping[str, Any]

ADD = """
INSERT INTO live_actor_days AS d (project_id, actor, day, votes, shown, events, hours, texts, repeats)
SELECT * FROM unnest(%s::int[], %s::text[], %s::int[], %s::int[], %s::int[], %s::int[], %s::int[], %s::int[],
                     %s::int[])
ON CONFLICT (project_id, actor, day) DO UPDATE
SET votes = d.votes + excluded.votes, shown = d.shown + excluded.shown, events = d.events + excluded.events,
    hours = d.hours | excluded.hours, texts = d.texts + excluded.texts, repeats = d.repeats + excluded.repeats
RETURNING project_id, actor, day, votes, shown
"""
KNOWN_SKETCHES = """
SELECT s.project_id, s.band FROM unnest(%s::int[], %s::bigint[]) AS k(p, b)
JOIN live_sketches s ON s.project_id = k.p AND s.band = k.b
"""
KEEP_SKETCHES = """
INSERT INTO live_sketches SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) ON CONFLICT DO NOTHING
"""
# Whoever did little on every day cannot be suspicious, and most do little.
MUCH = """
SELECT DISTINCT d.project_id, d.actor FROM unnest(%s::int[], %s::text[]) AS k(p, a)
JOIN live_actor_days d ON d.project_id = k.p AND d.actor = k.a
WHERE d.events >= 100 OR d.texts >= 3 OR bit_count(d.hours::bit(24)) >= 3
"""
DAYS = """
SELECT d.project_id, d.actor, d.day, d.events, d.hours, d.texts, d.repeats
FROM unnest(%s::int[], %s::text[]) AS k(p, a)
JOIN live_actor_days d ON d.project_id = k.p AND d.actor = k.a AND d.events > 0
ORDER BY d.project_id, d.actor, d.day
"""


def add(cursor: Cursor[Any], rows: Sequence[Row], votes_a_day: int) -> set[tuple[int, str]]:
    """Adds the feedback of a batch, in the order of the log; those for which no vote was left, by project and id."""
    said = days_of(rows, _repeats(cursor, rows))
    purses = [(row, purse) for row in rows if (purse := purse_of(row)) is not None]
    spent = Counter(purse for _, purse in purses)
    keys = {(*actor, day) for actor, days in said.items() for day in days} | {purse[:3] for purse in spent}
    if not keys:
        return set()
    added = [
        (*key, spent[Purse(*key, False)], spent[Purse(*key, True)], *said.get(key[:2], {}).get(key[2], Day(0))[1:])
        for key in sorted(keys)
    ]
    place: Counter[Purse] = Counter()
    columns = [list(column) for column in zip(*added, strict=True)]
    for project_id, actor, day, votes, shown in cursor.execute(ADD, columns).fetchall():
        for is_shown, total in ((False, votes), (True, shown)):
            purse = Purse(project_id, actor, day, is_shown)
            place[purse] = total - spent[purse]
    companies = _companies(cursor, purses)
    over = set()
    for row, purse in purses:
        place[purse] += 1
        is_bounded = any(
            companies[purse.project_id, day].is_met(row["log_offset"]) for day in (purse.day, purse.day - 1)
        )
        if is_bounded and not purse.holds(place[purse], votes_a_day):
            over.add((row["project_id"], row["feedback_id"]))
    return over


def profiles(cursor: Cursor[Any], actors: Collection[Actor]) -> list[Profile]:
    """Those of these actors who did much on some day, with their newest days."""
    busy = cursor.execute(MUCH, pairs(actors)).fetchall() if actors else []
    found: dict[Actor, list[Day]] = {}
    for project_id, actor, *day in cursor.execute(DAYS, pairs(busy)).fetchall() if busy else ():
        found.setdefault((project_id, actor), []).append(Day(*day))
    return [Profile(*actor, tuple(_newest(days))) for actor, days in found.items()]


def in_company(cursor: Cursor[Any], projects: Collection[int]) -> set[int]:
    """Those of these projects in which so many users spoke on one day that they are judged."""
    return {project for (project,) in cursor.execute(IN_COMPANY, [list(projects)]).fetchall()} if projects else set()


def _companies(cursor: Cursor[Any], purses: Sequence[tuple[Row, Purse]]) -> dict[tuple[int, int], Company]:
    """Who had spoken by the end of the batch on its days and those before, by project and day; keeps what is new."""
    days = sorted({(purse.project_id, purse.day - back) for _, purse in purses for back in (0, 1)})
    found = {day: Company() for day in days}
    for project_id, day, actors, full_offset in cursor.execute(COMPANIES, pairs(days)).fetchall() if days else ():  # type: ignore[arg-type]
        found[project_id, day] = Company(actors, full_offset)
    grown = {}
    for row, purse in purses:
        key = purse.project_id, purse.day
        if found[key].meet(purse.actor, row["log_offset"]):
            grown[key] = found[key]
    for key, company in grown.items():
        cursor.execute(KEEP_COMPANY, (*key, company.actors, company.full_offset))
    return found


def _newest(days: Sequence[Day]) -> Iterable[Day]:
    return (each for each in days if each.day >= days[-1].day - LOOK_BACK)


def _repeats(cursor: Cursor[Any], rows: Sequence[Row]) -> Mapping[int, bool]:
    """Which remarks of the batch repeat earlier ones, by offset; keeps what later ones are compared with."""
    remarks = [(row["project_id"], row["log_offset"], text) for row in rows if (text := remark_of(row)) is not None]
    sketches = {(project, band): offset for project, offset, text in reversed(remarks) for band in bands(text)}
    if not sketches:
        return {}
    projects, numbers = [list(column) for column in zip(*sketches, strict=True)]
    known = cursor.execute(KNOWN_SKETCHES, (projects, numbers)).fetchall()
    cursor.execute(KEEP_SKETCHES, (projects, numbers, list(sketches.values())))
    return repeats(remarks, known)
