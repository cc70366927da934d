"""Budgets: what end users say beyond their votes of a day, or while they are not heard, counts in no rolling metric."""

from datetime import datetime
from typing import Any, ClassVar

from psycopg import Cursor
from sqlmodel import SQLModel

from feedback_loop.stream.consumers._base import Batch, Consumer
from feedback_loop.stream.trusting import days
from feedback_loop.stream.trusting.tables import ActorVerdict, LiveActorDay, LiveCompany, LiveSketch, LiveUncounted
from feedback_loop.stream.trusting.verdicts import is_silent_at, learn, verdicts
from feedback_loop.stream.writing import pairs

KEEP = "INSERT INTO live_uncounted SELECT * FROM unnest(%s::int[], %s::text[]) ON CONFLICT DO NOTHING"
UNCOUNTED = """
SELECT u.project_id, u.feedback_id FROM unnest(%s::int[], %s::text[]) AS k(p, f)
JOIN live_uncounted u ON u.project_id = k.p AND u.feedback_id = k.f
"""


class Budgets(Consumer):
    """Counts what each end user does by day; whether a feedback counts is settled by its place in the log."""

    name: ClassVar[str] = "budgets"
    after: ClassVar[tuple[str, ...]] = ("attribution",)
    tables: ClassVar[tuple[type[SQLModel], ...]] = (
        LiveActorDay,
        LiveCompany,
        LiveUncounted,
        LiveSketch,
        ActorVerdict,
    )

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Fills `batch.uncounted`, once the tables hold it."""
        learn(cursor, [event.row for event in batch.events if event.feedback is None and event.inference is None])
        rows = [event.feedback for event in batch.events if event.feedback is not None]
        over = days.add(cursor, rows, self.settings.votes_a_day)
        named = {(row["project_id"], row["user_ref"]) for row in rows if row["user_ref"] is not None}
        told = verdicts(cursor, named, batch.last_offset)
        for row in rows if told else ():
            is_theirs = row["source_kind"] == "end_user"
            if is_theirs and is_silent_at(told.get((row["project_id"], row["user_ref"]), ()), row["log_offset"]):
                over.add((row["project_id"], row["feedback_id"]))
        if over:
            cursor.execute(KEEP, pairs(sorted(over)))
        self.recall(batch, cursor)

    def recall(self, batch: Batch, cursor: Cursor[Any]) -> None:
        """What of the changed feedback does not count."""
        changed = {(change.after["project_id"], change.after["feedback_id"]) for change in batch.changes}
        if changed:
            batch.uncounted = set(cursor.execute(UNCOUNTED, pairs(changed)).fetchall())
