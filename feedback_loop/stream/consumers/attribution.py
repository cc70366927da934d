"""Attribution, event by event in the order of the log: what is known is read once a batch, what changed written once.

Whatever the order in which an inference, its feedback, and what undoes that feedback arrive, the table ends the same:
each looks for the others, in the batch and in the tables. Every event also tells the time, by which waits end.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from heapq import heappop, heappush
from operator import itemgetter
from typing import Any, ClassVar

from psycopg import Cursor
from sqlmodel import SQLModel

from feedback_ingest.log import LogRow
from feedback_ingest.settings import Settings
from feedback_loop.learning.attribution import attribute, due_at, moment, undoes
from feedback_loop.learning.demands import KINDS as DEMANDING
from feedback_loop.learning.demands import Demands
from feedback_loop.stream import waits
from feedback_loop.stream.consumers._base import Batch, Change, Consumer, Event, Row
from feedback_loop.stream.demanding import demands_upto, held
from feedback_loop.stream.rewards.keeping import keep_rewards
from feedback_loop.stream.rewards.tables import LiveReward, LiveRewardVote
from feedback_loop.stream.tables import (
    AttributionChange,
    LiveClock,
    LiveFeedback,
    LiveInference,
    LiveWait,
)
from feedback_loop.stream.waits import Due
from feedback_loop.stream.writing import columns, copy, json_text, pairs

Key = tuple[int, str]

INFERENCES = """
SELECT i.answer FROM unnest(%s::int[], %s::text[]) AS k(project_id, id)
JOIN live_inferences i ON i.project_id = k.project_id AND i.inference_request_id = k.id
"""
# In the order of the log: changes are numbered alike, however it is cut into batches.
FEEDBACK = """
SELECT f.row FROM unnest(%s::int[], %s::text[]) AS k(project_id, id)
JOIN live_feedback f ON f.project_id = k.project_id AND {condition}
ORDER BY f.log_offset
"""
BY_ID = FEEDBACK.format(condition="f.feedback_id = k.id")
BY_TARGET = FEEDBACK.format(condition="f.target_feedback_id = k.id")
WAITING = FEEDBACK.format(condition="f.inference_request_id = k.id AND f.inference_offset IS NULL")

# All of a feedback but its judgement is as it was; the answer is told as far as it was known then.
RECALL = """
SELECT c.cause_offset, c.before, c.after, f.row, i.answer
FROM attribution_changes c
JOIN live_feedback f ON f.project_id = c.project_id AND f.feedback_id = c.feedback_id
LEFT JOIN live_inferences i ON c.after ->> 'inference_offset' IS NOT NULL
    AND i.project_id = f.project_id AND i.inference_request_id = f.inference_request_id
WHERE c.cause_offset BETWEEN %s AND %s ORDER BY c.change_id
"""
REWRITE = """
UPDATE live_feedback f
SET state = u.state, inference_offset = u.inference_offset, model_name = u.model_name, correct = u.correct,
    is_undone = u.is_undone, due_at = u.due_at, row = u.row::json
FROM unnest(
    %s::int[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::bool[], %s::bool[], %s::timestamptz[], %s::text[]
) AS u(project_id, feedback_id, state, inference_offset, model_name, correct, is_undone, due_at, row)
WHERE f.project_id = u.project_id AND f.feedback_id = u.feedback_id
"""

JUDGEMENT = ("state", "model_name", "model_version", "inference_offset", "correct", "is_undone")
"""What a change is about; the rest of a feedback never changes."""

id_of = itemgetter("project_id", "feedback_id")
about = itemgetter("project_id", "inference_request_id")
judgement = itemgetter(*JUDGEMENT)
# The last column of both tables is the whole row, as JSON.
live_columns = itemgetter(*columns(LiveFeedback)[:-1])
inference_columns = itemgetter(*columns(LiveInference)[:-1])
rewritten = itemgetter(
    "project_id", "feedback_id", "state", "inference_offset", "model_name", "correct", "is_undone"
)  # fmt: skip


class Attribution(Consumer):
    """Keeps live_inferences, live_feedback and attribution_changes, and what it knows of the time and of policies."""

    name: ClassVar[str] = "attribution"
    tables: ClassVar[tuple[type[SQLModel], ...]] = (
        LiveInference, LiveFeedback, AttributionChange, LiveClock, LiveWait, LiveReward, LiveRewardVote,
    )  # fmt: skip

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._demands: Demands | None = None

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Fills `batch.changes` once the tables hold them.

        What projects demand is read from the log once and followed from there: the log never changes.
        """
        if self._demands is None:
            self._demands = demands_upto(batch.session, batch.first_offset - 1)
        known = _Known(cursor, batch.events, self._demands)
        for event in batch.events:
            if event.fault is not None:
                raise event.fault
            known.tell_time(event.row.received_at, event.row.log_offset)
            if event.inference is not None:
                known.answer(event.inference)
            elif event.feedback is not None:
                known.state(event.feedback)
            elif event.row.kind in DEMANDING:
                known.demand(event.row)
        _write_inferences(cursor, batch.events)
        _write_feedback(cursor, known)
        _write_changes(cursor, known.changes)
        waits.keep(cursor, known.newest)
        known.keep_rewards(cursor, batch.events)
        batch.changes = known.changes

    def next_due(self, cursor: Cursor[Any]) -> Due | None:
        """The feedback that is orphaned next, or the inference that is given its default."""
        return waits.next_due(cursor)

    def recall(self, batch: Batch, cursor: Cursor[Any]) -> None:
        """The changes that the batch's events caused, as they were found."""
        found = cursor.execute(RECALL, (batch.first_offset, batch.last_offset)).fetchall()
        batch.changes = [
            Change(cause, before and _as_judged(row, before, answer), _as_judged(row, after, answer), answer)
            for cause, before, after, row, answer in found
        ]


def _as_judged(row: Row, judged: Row, answer: Row | None) -> Row:
    known = answer if judged["inference_offset"] is not None else None
    return {**row, **judged, "answer_label": known and known["answer_label"]}


class _Known:
    """What a batch touches, loaded before its first event; `touched` and `changes` are what to write after its last."""

    def __init__(self, cursor: Cursor[Any], events: Sequence[Event], demands: Demands) -> None:
        self._demands, self._at = demands, 0
        self.changes: list[Change] = []
        self.touched: dict[Key, dict[str, Any]] = {}
        self.fresh: set[Key] = set()
        self._feedback: dict[Key, dict[str, Any]] = {}
        self._waiting: defaultdict[Key, list[Key]] = defaultdict(list)
        self._undoing: defaultdict[Key, list[Row]] = defaultdict(list)
        self._inferences: dict[Key, dict[str, Any]] = {}
        self.newest, self._waits = waits.times(cursor, [event.row for event in events])
        self._due: list[tuple[datetime, int, Key]] = []
        self._load(cursor, events)

    def _load(self, cursor: Cursor[Any], events: Sequence[Event]) -> None:
        said = [event.feedback for event in events if event.feedback is not None]
        arriving = {about(event.inference) for event in events if event.inference is not None}
        for stored in _fetch(cursor, WAITING, arriving):
            self._feedback[id_of(stored)] = stored
            self._waiting[about(stored)].append(id_of(stored))
        targets = {(row["project_id"], row["target_feedback_id"]) for row in said if row["target_feedback_id"]}
        for stored in _fetch(cursor, BY_ID, targets):
            self._feedback[id_of(stored)] = stored
        for stored in _fetch(cursor, BY_TARGET, {id_of(row) for row in said}):
            self._undoing[stored["project_id"], stored["target_feedback_id"]].append(stored)
        for stored in waits.due(cursor, max(event.row.received_at for event in events)):
            self._feedback[id_of(stored)] = stored
            self._wait(stored)
        for stored in held(cursor, {event.row.project_id for event in events if event.row.kind in DEMANDING}):
            self._feedback[id_of(stored)] = stored
        wanted = {about(row) for row in said} | {about(row) for row in self._feedback.values()}
        for stored in _fetch(cursor, INFERENCES, wanted - arriving):
            self._inferences[about(stored)] = stored

    def tell_time(self, received_at: datetime, log_offset: int) -> None:
        """An event was received then: whose wait is over by it is orphaned."""
        self._at = log_offset
        if self.newest is None or received_at > self.newest:
            self.newest = received_at
        while self._due and self._due[0][0] <= self.newest:
            before = self._feedback[heappop(self._due)[2]]
            if before["state"] == "pending":
                self._change(log_offset, before, {**before, "state": "orphaned", "due_at": None})

    def _wait(self, row: dict[str, Any]) -> None:
        heappush(self._due, (moment(row["due_at"]), row["log_offset"], id_of(row)))

    def keep_rewards(self, cursor: Cursor[Any], events: Sequence[Event]) -> None:
        """Writes what the batch's inferences, and those its changes are about, are worth now."""
        given = [event.inference for event in events if event.inference is not None]
        changes = [(change.before, change.after, change.inference) for change in self.changes]
        if self.newest is not None:
            keep_rewards(cursor, given, changes, self._waits, self.newest)

    def answer(self, inference: dict[str, Any]) -> None:
        """An inference arrived: whatever waited for it is attributed."""
        key = about(inference)
        self._inferences[key] = inference
        for waiting in self._waiting.pop(key, ()):
            before = self._feedback[waiting]
            given = {**before, "model_name": before["named"]}
            self._change(inference["log_offset"], before, self._judged(given, before["is_undone"]))

    def state(self, feedback: dict[str, Any]) -> None:
        """A feedback arrived: it is attributed or waits; it may be undone already, and may itself undo another."""
        key = id_of(feedback)
        self.fresh.add(key)
        is_undone = any(undoes(other, feedback) for other in self._undoing.get(key, ()))
        after = self._judged(feedback, is_undone)
        self._change(feedback["log_offset"], None, after)
        if after["inference_offset"] is None:
            self._waiting[about(feedback)].append(key)
        if after["due_at"] is not None:
            self._wait(after)
        if feedback["target_feedback_id"]:
            target = (feedback["project_id"], feedback["target_feedback_id"])
            self._undoing[target].append(feedback)
            before = self._feedback.get(target)
            if before is not None and not before["is_undone"] and undoes(feedback, before):
                self._change(feedback["log_offset"], before, {**before, "is_undone": True})

    def demand(self, fact: LogRow) -> None:
        """A project demands something else: what was held and no longer breaks a rule is attributed."""
        self._demands.place(fact)
        mine = (row for key, row in self._feedback.items() if key[0] == fact.project_id and row["state"] == "held")
        for before in sorted(mine, key=itemgetter("log_offset")):
            after = self._judged({**before, "model_name": before["named"]}, before["is_undone"])
            if after["state"] != "held":
                self._change(fact.log_offset, before, after)

    def _judged(self, feedback: dict[str, Any], is_undone: bool) -> dict[str, Any]:
        """The row as attributed now; `named` keeps the model name the client gave, to judge by it again later."""
        inference = self._inferences.get(about(feedback))
        found = attribute(feedback, inference, self._waits, self.newest)
        if found.state == "attributed" and self._demands.holds(feedback, inference, self._at):
            found = found._replace(state="held", correct=None)
        return {
            **feedback,
            "named": feedback["model_name"],
            "state": found.state,
            "inference_offset": found.inference_offset,
            "model_name": found.model_name,
            "correct": found.correct,
            "answer_label": found.answer_label,
            "is_undone": is_undone,
            "due_at": due_at(feedback, self._waits) if found.state == "pending" else None,
        }

    def _change(self, cause_offset: int, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
        self.changes.append(Change(cause_offset, before, after, self._inferences.get(about(after))))
        key = id_of(after)
        self._feedback[key] = self.touched[key] = after


def _fetch(cursor: Cursor[Any], query: str, keys: Iterable[Key]) -> list[dict[str, Any]]:
    projects, names = pairs(keys)
    if not names:
        return []
    return [found[0] for found in cursor.execute(query, (projects, names)).fetchall()]


def _write_inferences(cursor: Cursor[Any], events: Sequence[Event]) -> None:
    new = [event.inference for event in events if event.inference is not None]
    if new:
        copy(cursor, LiveInference, ((*inference_columns(row), json_text(row)) for row in new))


def _write_feedback(cursor: Cursor[Any], known: _Known) -> None:
    new = [row for key, row in known.touched.items() if key in known.fresh]
    if new:
        copy(cursor, LiveFeedback, ((*live_columns(row), json_text(row)) for row in new))
    changed = [row for key, row in known.touched.items() if key not in known.fresh]
    old = [(*rewritten(row), _due_at(row), json_text(row)) for row in changed]
    if old:
        cursor.execute(REWRITE, [list(column) for column in zip(*old, strict=True)])


def _due_at(row: Row) -> datetime | None:
    """When it falls due; a row that waited no longer when waits were first kept does not say."""
    return moment(row["due_at"]) if row.get("due_at") is not None else None


def _write_changes(cursor: Cursor[Any], changes: list[Change]) -> None:
    if not changes:
        return
    # Only the holder of the lease writes here, so the numbers have no gaps.
    found = cursor.execute("SELECT coalesce(max(change_id), 0) FROM attribution_changes").fetchone()
    first = found[0] + 1 if found else 1
    copy(cursor, AttributionChange, (_change_row(first + n, change) for n, change in enumerate(changes)))


def _change_row(change_id: int, change: Change) -> tuple[Any, ...]:
    """The values of AttributionChange's columns."""
    before, after = change.before, change.after
    told = None if before is None else json_text(dict(zip(JUDGEMENT, judgement(before), strict=True)))
    now = json_text(dict(zip(JUDGEMENT, judgement(after), strict=True)))
    return change_id, change.cause_offset, after["project_id"], after["feedback_id"], after["log_offset"], told, now
