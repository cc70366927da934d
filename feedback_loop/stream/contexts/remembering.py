"""What the stream does about context: it notes what is to be asked, and gives each answer to whoever waits for it.

It asks nobody itself. An answer comes by the log, before or after the feedback it is for, and then counts as
`feedback_loop.learning.context` says; so the tables are the log's, however often it is read.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from orjson import loads
from psycopg import Cursor

from feedback_ingest.log import LogRow
from feedback_loop.learning.context import CONTEXT_ANSWERED, answer_rows
from feedback_loop.stream.context_sources import ContextSource, Question
from feedback_loop.stream.contexts.tables import LiveContext
from feedback_loop.stream.writing import columns, json_text

LOAD = """
SELECT to_json(c) FROM unnest(%s::int[], %s::text[], %s::text[]) AS k(project_id, source, about)
JOIN live_contexts c USING (project_id, source, about)
"""
KEEP = """
INSERT INTO live_contexts SELECT * FROM json_populate_recordset(NULL::live_contexts, %s)
ON CONFLICT (project_id, source, about) DO UPDATE SET ({names}) = ROW({values})
"""
CATCH_UP = """
UPDATE live_enrichments e SET waits_for = NULL, late_answer = k.answer
FROM unnest(%s::int[], %s::text[], %s::text[], %s::json[]) AS k(project_id, source, about, answer)
WHERE (e.project_id, e.source, e.waits_for) = (k.project_id, k.source, k.about)
"""

Key = tuple[int, str, str]
"""Project, source, about."""

key_of = itemgetter("project_id", "source", "about")
id_of = itemgetter("project_id", "feedback_id")
MOVING = [name for name in columns(LiveContext) if name not in ("project_id", "source", "about")]
_KEEP = KEEP.format(names=", ".join(MOVING), values=", ".join(f"excluded.{name}" for name in MOVING))


class Link(NamedTuple):
    """A feedback whose inference became known, by the event at `cause_offset`; both as their rows."""

    cause_offset: int
    feedback: Mapping[str, Any]
    inference: Mapping[str, Any]


@dataclass(slots=True)
class Given:
    """One source's answer for one feedback, as it was when the inference became known, and what came of waiting."""

    source: str
    answer: Any = None
    waits_for: str | None = None
    late_answer: str | None = None


class Contexts:
    """The context of one batch: its links and its answers are followed in the order of the log."""

    def __init__(
        self, sources: Sequence[ContextSource], cursor: Cursor[Any], events: Sequence[LogRow], links: Sequence[Link]
    ) -> None:
        self._names = {source.called for source in sources}
        self._cursor = cursor
        self._links = links
        self._questions = [
            [(source, source.question(link.feedback, link.inference)) for source in sources] for link in links
        ]
        self._answers = {row.log_offset: self._mine(row) for row in events if row.kind == CONTEXT_ANSWERED}
        self._times = {row.log_offset: row.received_at for row in events}
        self._known = self._loaded()
        self._changed: set[Key] = set()
        self._filled: dict[Key, str] = {}
        self._waiting: defaultdict[Key, list[Given]] = defaultdict(list)

    def follow(self) -> dict[tuple[int, str], list[Given]]:
        """What each source had said by then, for the feedback of each link; keeps what is asked and known."""
        given: dict[tuple[int, str], list[Given]] = {}
        steps = [(link.cause_offset, place) for place, link in enumerate(self._links)]
        for offset, place in sorted([*steps, *((offset, -1) for offset in self._answers)]):
            if place < 0:
                self._learn(self._answers[offset])
            else:
                link, asked = self._links[place], self._questions[place]
                given[id_of(link.feedback)] = [self._give(link, *each, self._times[offset]) for each in asked]
        self._write()
        return given

    def _mine(self, row: LogRow) -> list[dict[str, Any]]:
        """The answers of sources that are asked; what another one said is nothing that is waited for."""
        return [each for each in answer_rows(row) if each["source"] in self._names]

    def _loaded(self) -> dict[Key, dict[str, Any]]:
        wanted = {
            (link.feedback["project_id"], source.called, question.about)
            for link, asked in zip(self._links, self._questions, strict=True)
            for source, question in asked
            if question is not None
        }
        wanted |= {key_of(row) for rows in self._answers.values() for row in rows}
        if not wanted:
            return {}
        found = self._cursor.execute(LOAD, [list(column) for column in zip(*sorted(wanted), strict=True)]).fetchall()
        return {key_of(row): {**row, **_moments(row)} for (row,) in found}

    def _learn(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            key = key_of(row)
            state = self._state(key)
            state |= {"is_open": False, "answered_at": row["received_at"], "is_missing": row["answer"] is None}
            if row["answer"] is not None:
                state["answer"] = loads(row["answer"])
            self._changed.add(key)
            for given in self._waiting.pop(key, ()):
                given.waits_for, given.late_answer = None, _told(row)
            self._filled.setdefault(key, _told(row))

    def _state(self, key: Key) -> dict[str, Any]:
        """What is known of it; of what is new, nothing."""
        return self._known.setdefault(
            key,
            {
                **dict(zip(("project_id", "source", "about"), key, strict=True)),
                "subject": {},
                "is_open": False,
                "asked_offset": None,
                "asked_at": None,
                "answered_at": None,
                "is_missing": True,
                "answer": None,
            },
        )

    def _give(self, link: Link, source: ContextSource, question: Question | None, at: datetime) -> Given:
        given = Given(source.called)
        if question is not None:
            key = link.feedback["project_id"], source.called, question.about
            state = self._state(key)
            self._ask(source, key, question, link.cause_offset, at)
            given.answer = state["answer"]
            if state["answered_at"] is None:
                given.waits_for = question.about
                self._waiting[key].append(given)
        return given

    def _ask(self, source: ContextSource, key: Key, question: Question, offset: int, at: datetime) -> None:
        """Asks where nothing is known yet, or what is known is old; once, until it is answered."""
        state = self._known[key]
        good_s = source.options.retry_s if state["is_missing"] else source.options.keep_s
        is_old = state["answered_at"] is None or (at - state["answered_at"]).total_seconds() > good_s
        if is_old and not state["is_open"]:
            state |= {"is_open": True, "subject": question.subject, "asked_offset": offset, "asked_at": at}
            self._changed.add(key)

    def _write(self) -> None:
        if self._changed:
            self._cursor.execute(_KEEP, [json_text([self._known[key] for key in sorted(self._changed)])])
        if self._filled:
            rows = [(*key, answer) for key, answer in sorted(self._filled.items())]
            self._cursor.execute(CATCH_UP, [list(column) for column in zip(*rows, strict=True)])


def _told(row: Mapping[str, Any]) -> str:
    """An answer as live_enrichments keeps it: under the source's name."""
    return f'{{"{row["source"]}":{row["answer"] or "null"}}}'


def _moments(row: Mapping[str, Any]) -> dict[str, datetime | None]:
    """The times of a row that was read as JSON."""
    return {name: row[name] and datetime.fromisoformat(row[name]) for name in ("asked_at", "answered_at")}
