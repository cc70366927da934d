"""The training queue: feedback one may learn from, attributed, enriched, weighted; what is undone leaves it again."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any, ClassVar

import orjson
from psycopg import Cursor
from sqlmodel import SQLModel

from feedback_loop.learning.examples import why_not_example
from feedback_loop.learning.preferences import rejected_of
from feedback_loop.stream.consumers._base import Batch, Change, Consumer, Trusted
from feedback_loop.stream.tables import TrainingExample
from feedback_loop.stream.writing import columns, copy, json_text, pairs

REMOVE = """
DELETE FROM training_examples t USING unnest(%s::int[], %s::text[]) AS k(project_id, id)
WHERE t.project_id = k.project_id AND t.feedback_id = k.id
"""

Key = tuple[int, str]
FULLY = Trusted(1.0, 0)

id_of = itemgetter("project_id", "feedback_id")
example_columns = itemgetter(*columns(TrainingExample))


class TrainingQueue(Consumer):
    """Keeps one row for every feedback that `is_example` and is routed here, and no other.

    A late inference lets a feedback in then, and so does the end of a hold.
    """

    name: ClassVar[str] = "training_queue"
    after: ClassVar[tuple[str, ...]] = ("attribution", "enrichment", "routing", "trust")
    tables: ClassVar[tuple[type[SQLModel], ...]] = (TrainingExample,)

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Writes the state in which this batch leaves each feedback."""
        held = [id_of(row) for row in _before(batch.changes) if is_example(row)] + sorted(batch.taken_out)
        if held:
            cursor.execute(REMOVE, pairs(held))
        last = {id_of(change.after): change for change in (*batch.changes, *batch.let_in)}
        wanted = [
            change
            for key, change in last.items()
            if key not in batch.kept_out
            and is_example(change.after)
            and not _lacks_a_side(change)
            and _trusted(change.after, batch).weight > 0
        ]
        if wanted:
            rows = (example(change, batch.enriched, now, _trusted(change.after, batch)) for change in wanted)
            copy(cursor, TrainingExample, (example_columns(row) for row in rows))


def _before(changes: Iterable[Change]) -> Iterable[Mapping[str, Any]]:
    """Each feedback's row as it was before the batch; none for a feedback that the batch brought."""
    seen = set()
    for change in changes:
        key = id_of(change.after)
        if key not in seen and change.before is not None:
            yield change.before
        seen.add(key)


def is_example(row: Mapping[str, Any]) -> bool:
    """Whether one may learn from a feedback: attributed, standing, consented to, and it says something."""
    return why_not_example(row) is None


def example(
    change: Change, enriched: Mapping[Key, Mapping[str, Any]], now: datetime, trusted: Trusted = FULLY
) -> dict[str, Any]:
    """A row of TrainingExample; `weight` is the inverse of the share at which the client sampled, times what
    its author's labels weigh.

    What could not be added to it is left out of it.
    """
    row, inference = change.after, change.inference
    assert inference is not None, "an attributed feedback has its inference"
    told = {
        "inputs": None if inference["inputs"] is None else orjson.Fragment(inference["inputs"]),
        "answer_label": inference["answer_label"],
        "answer_text": inference["answer_text"],
        "feedback_type": row["feedback_type"],
        "text": row["text"],
        "preferred": row["preferred"],
        "rejected": rejected_of(row, inference),
        "tie": row["tie"],
        **enriched.get(id_of(row), {}),
    }
    added = {
        "weight": trusted.weight / row["pass_probability"],
        "queued_at": now,
        "ready_offset": max(change.cause_offset, trusted.since_offset),
    }
    return {**row, **added, "example": json_text(told)}


def _trusted(row: Mapping[str, Any], batch: Batch) -> Trusted:
    """How far its author is listened to."""
    return batch.trust.get((row["project_id"], row["user_ref"]), FULLY) if row["source_kind"] == "end_user" else FULLY


def _lacks_a_side(change: Change) -> bool:
    """Whether it prefers one output and nothing tells over which."""
    row, inference = change.after, change.inference
    return row["preferred"] is not None and (inference is None or rejected_of(row, inference) is None)
