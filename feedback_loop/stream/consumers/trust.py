"""Trust: end users that are suspicious are suspended or held, and what they say stays out of the training queue."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar

from psycopg import Cursor
from sqlmodel import SQLModel

from feedback_ingest.log import Fact
from feedback_loop.learning.influence import actor_of
from feedback_loop.learning.routes import EVERYTHING, sinks_of, taking
from feedback_loop.learning.trust.brigades import DETECTED, brigade
from feedback_loop.learning.trust.standings import HELD, KINDS, Verdict, body_of, may_decide
from feedback_loop.learning.trust_signals import decision, suspicions
from feedback_loop.stream.consumers._base import Batch, Change, Consumer, Row, Trusted
from feedback_loop.stream.enrichments import added_to
from feedback_loop.stream.routing import holds
from feedback_loop.stream.routing.book import ROUTES, book
from feedback_loop.stream.trusting import crowds, days
from feedback_loop.stream.trusting.tables import LiveActor, LiveCrowd
from feedback_loop.stream.trusting.verdicts import User, verdicts
from feedback_loop.stream.writing import pairs

# In the order of the log, so that they come back into the queue in one order.
SAID = """
SELECT f.project_id, f.feedback_id FROM unnest(%s::int[], %s::text[]) AS k(p, u)
JOIN live_feedback f ON f.project_id = k.p AND f.user_ref = k.u
WHERE f.source_kind = 'end_user' AND f.log_offset <= %s
  AND NOT EXISTS (SELECT FROM held_feedback h WHERE h.project_id = f.project_id AND h.feedback_id = f.feedback_id)
ORDER BY f.log_offset
"""


class Trust(Consumer):
    """Decides on new ground only, each decision a fact with its reason, in force from its place in the log on.

    A person's decision stands: what somebody restored is not suspended again by the stream. Sessions are not judged:
    anybody may have another one, and its votes of a day are few.
    """

    name: ClassVar[str] = "trust"
    after: ClassVar[tuple[str, ...]] = ("attribution", "budgets", "routing")
    tables: ClassVar[tuple[type[SQLModel], ...]] = (LiveActor, LiveCrowd)

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Tells the training queue whose feedback weighs less, or nothing, and appends what was decided."""
        rows = [event.feedback for event in batch.events if event.feedback is not None]
        crowds.meet(cursor, rows)
        targets = crowds.hear(cursor, batch.changes)
        turned = {
            (event.row.project_id, event.row.body["subject"]) for event in batch.events if event.row.kind in KINDS
        }
        if turned:
            self._turn(batch, cursor, turned)
        batch.trust = _trusted(cursor, batch)
        if not batch.is_replay:
            batch.facts += self._decided(batch, cursor, rows, now)
            batch.facts += self._brigades(batch, cursor, targets, now)

    def _turn(self, batch: Batch, cursor: Cursor[Any], users: set[User]) -> None:
        """What those said of whom something was decided leaves the queue, or comes back."""
        changed = {(change.after["project_id"], change.after["feedback_id"]) for change in batch.changes}
        keys = cursor.execute(SAID, (*pairs(users), batch.last_offset)).fetchall()
        told = verdicts(cursor, users, batch.last_offset)
        known = book(ROUTES.upto(cursor, batch.last_offset))
        batch.enriched |= added_to(cursor, keys)
        for row, inference in holds.load(cursor, keys):
            if (row["project_id"], row["feedback_id"]) in changed:
                continue
            routes = taking(row, known.get(row["project_id"], EVERYTHING))
            if row["inference_offset"] is not None and row["inference_offset"] <= batch.last_offset:
                last = told[row["project_id"], row["user_ref"]][-1]
                batch.taken_out.add((row["project_id"], row["feedback_id"]))
                if "training_queue" in sinks_of(routes):
                    batch.let_in.append(Change(last.log_offset, row, row, inference))

    def _decided(self, batch: Batch, cursor: Cursor[Any], rows: Iterable[Row], now: datetime) -> Iterator[Fact]:
        """What the signals find of those who spoke in the batch, where it is news."""
        touched = {(row["project_id"], voter) for row in rows if (voter := actor_of(row)) and voter.startswith("u:")}
        judged = days.in_company(cursor, {project for project, _ in touched})
        busy = days.profiles(cursor, [actor for actor in touched if actor[0] in judged])
        found = [(each, suspicion) for each in busy for suspicion in suspicions(each)]
        known = verdicts(cursor, {(each.project_id, each.actor[2:]) for each, _ in found}, batch.last_offset)
        for each, suspicion in found:
            subject = each.actor[2:]
            if may_decide(suspicion.kind, _last(known.get((each.project_id, subject)))):
                yield Fact(each.project_id, suspicion.kind, *decision(each, suspicion), now)

    def _brigades(
        self, batch: Batch, cursor: Cursor[Any], targets: dict[crowds.Target, int], now: datetime
    ) -> Iterator[Fact]:
        """The newcomers of a brigade are held, each by a fact of their own."""
        for target, hour in targets.items():
            reason = brigade(crowds.hours(cursor, target, hour), hour)
            if reason is None:
                continue
            users = crowds.newcomers(cursor, target, hour)
            known = verdicts(cursor, {(target.project_id, user) for user in users}, batch.last_offset)
            name, version = target.model
            body = {"model_name": name, "model_version": version, "reason": reason, "users": len(users)}
            yield Fact(target.project_id, DETECTED, f"{target.name}-{hour}", body, now)
            for user in users:
                if may_decide(HELD, _last(known.get((target.project_id, user)))):
                    held = body_of(user, "brigade", reason, model_name=name, model_version=version)
                    yield Fact(target.project_id, HELD, f"{user}-brigade-{hour}", held, now)


def _trusted(cursor: Cursor[Any], batch: Batch) -> dict[User, Trusted]:
    """How far those in the batch are listened to of whom anything was decided."""
    rows = [change.after for change in (*batch.changes, *batch.let_in)]
    users = {(row["project_id"], row["user_ref"]) for row in rows if row["user_ref"] is not None}
    found = verdicts(cursor, users, batch.last_offset)
    return {user: Trusted(told[-1].weight, told[-1].log_offset) for user, told in found.items()}


def _last(told: list[Verdict] | None) -> Verdict | None:
    return told[-1] if told else None
