"""Segments: the parts of traffic that metrics are split by, how many of them there may be, and which a row falls in.

Anybody may send any name and value, so both are bounded: in the order of the log, the first 16 names of a project are
split by, and of each name the first 50 values; every later value is `other`, and later names are not split by. What is
admitted once stays, so a segment means the same to the stream, to the assets and after a rebuild. Names and values of
more than 64 characters are taken for one too many, and so is a name with `=` in it.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import orjson

if TYPE_CHECKING:
    import ibis

ALL = ""
"""The segment that everything falls in."""

OTHER = "other"
AGAINST = "against"
"""The name under which a comparison is kept by who the other side was; no client's segment has it."""

NAMES = 16
VALUES = 50
LONGEST = 64


class Segment(NamedTuple):
    """One value of one name, in one project."""

    project_id: int
    name: str
    value: str


@lru_cache(4_096)
def pairs(text: str | None) -> tuple[tuple[str, str], ...]:
    """(name, value) of a `segments` column, in the order of the names; a name with `=` in it could not be told back."""
    if text is None:
        return ()
    given = sorted(orjson.loads(text).items())
    return tuple((name, value if len(value) <= LONGEST else OTHER) for name, value in given if _is_name(name))


def key_of(name: str, value: str) -> str:
    """The segment as metrics keep it: `name=value`."""
    return f"{name}={value}"


class Admitted:
    """The segments of some projects that are split by; `admit` adds what a further piece of the log brings."""

    def __init__(self, known: Iterable[tuple[int, str, str]] = ()) -> None:
        self._values: dict[tuple[int, str], set[str]] = {}
        self._names: defaultdict[int, int] = defaultdict(int)
        for project_id, name, value in known:
            self._take(project_id, name, value)

    def admit(self, seen: Iterable[tuple[int, str | None]]) -> list[Segment]:
        """Those of (project, segments column), in the order of the log, that are new and for which there is room."""
        new = []
        for project_id, text in seen:
            for name, value in pairs(text):
                values = self._values.get((project_id, name))
                if values is None:
                    has_room = self._names[project_id] < NAMES
                else:
                    has_room = value not in values and len(values) < VALUES
                if has_room:
                    self._take(project_id, name, value)
                    new.append(Segment(project_id, name, value))
        return new

    def segments_of(self, project_id: int, own: str | None, asked: str | None) -> list[str]:
        """The segments a row counts in, ALL first: those of the inference (`asked`), and of the feedback (`own`).

        Where both have a name, the inference's value is taken: it is the one that the silent ones have too.
        """
        found = [ALL]
        for name, value in {**dict(pairs(own)), **dict(pairs(asked))}.items():
            values = self._values.get((project_id, name))
            if values is not None:
                found.append(key_of(name, value if value in values else OTHER))
        return found

    def _take(self, project_id: int, name: str, value: str) -> None:
        if (project_id, name) not in self._values:
            self._values[project_id, name] = set()
            self._names[project_id] += 1
        self._values[project_id, name].add(value)


def admitted(*rows: "ibis.Table") -> "ibis.Table":
    """What `Admitted` holds after these tables (project_id, log_offset, segments): project_id, name and value."""
    import ibis

    narrow = [table.select("project_id", "log_offset", "segments").filter(table.segments.notnull()) for table in rows]
    texts = ibis.union(*narrow) if len(narrow) > 1 else narrow[0]
    firsts = texts.group_by(["project_id", "segments"]).agg(log_offset=texts.log_offset.min())
    named = split(firsts)
    values = named.group_by(["project_id", "name", "value"]).agg(first=named.log_offset.min())
    names = values.group_by(["project_id", "name"]).agg(first=values["first"].min())
    place = ibis.row_number().over(group_by="project_id", order_by=["first", "name"])
    names = names.mutate(place=place).filter(lambda t: t.place < NAMES)
    place = ibis.row_number().over(group_by=["project_id", "name"], order_by="first")
    values = values.mutate(place=place).filter(lambda t: t.place < VALUES)
    return values.semi_join(names, ["project_id", "name"]).select("project_id", "name", "value")


def split(texts: "ibis.Table") -> "ibis.Table":
    """`pairs` of each row of `texts`: its columns, with `name` and `value`; a row without segments is gone."""
    import ibis

    given = texts.filter(texts.segments.notnull())
    as_map = given.segments.cast("json").cast("map<string, string>")
    found = given.mutate(name=as_map.keys().unnest(), value=as_map.values().unnest())
    is_name = (found.name != AGAINST) & ~found.name.contains("=") & found.name.length().between(1, LONGEST)
    found = found.filter(is_name)
    return found.mutate(value=ibis.ifelse(found.value.length() <= LONGEST, found.value, OTHER))


def _is_name(name: str) -> bool:
    return name != AGAINST and "=" not in name and 1 <= len(name) <= LONGEST
