"""Opening items for review: one task an inference in a queue, however often it is asked for."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import NAMESPACE_OID, uuid5

import msgspec
from msgspec import Meta
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.decisions import Decider
from feedback_ingest.envelopes import Visible
from feedback_ingest.errors import Fault, ValidationFailed
from feedback_ingest.feedback_types._base import Slug
from feedback_ingest.log import Fact
from feedback_loop.learning.reviewing import LARGEST, ReviewQueue, answer_of, priority_of
from feedback_loop.review.folding import OPENED, tell
from feedback_loop.review.items import bodies

KNOWN = text("SELECT task_id FROM review_tasks WHERE project_id = :project_id AND task_id = ANY(CAST(:ids AS text[]))")


class NewTask(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An item to be judged. Without a priority it is told from the model's doubt; `gold` is its known answer, as a
    value of the queue's feedback type, and makes it an item that reviewers are measured by."""

    inference_request_id: Visible
    priority: Annotated[int, Meta(ge=0, le=LARGEST)] | None = None
    skill: Slug | None = None
    gold: dict[str, Any] | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=1_000)] = "asked for"


def task_id_of(project_id: int, queue_id: str, inference_request_id: str) -> str:
    """The id of the task that an inference is in a queue; there is no second one, so no item comes twice."""
    return str(uuid5(NAMESPACE_OID, f"review/{project_id}/{queue_id}/{inference_request_id}"))


def open_tasks(
    session: Session, project_id: int, queue: ReviewQueue, wanted: Sequence[NewTask], decider: Decider, now: datetime
) -> dict[str, bool]:
    """Opens tasks; by their ids in order, whether each is new. The caller commits, soon.

    Raises ValidationFailed for inferences that the log does not know, and for what the queue does not take.
    """
    known = bodies(session, project_id, "inference", [each.inference_request_id for each in wanted])
    faults = [
        Fault(f"/tasks/{place}/{fault.pointer}", fault.code)
        for place, each in enumerate(wanted)
        for fault in _faults(queue, each, known)
    ]
    if faults:
        raise ValidationFailed(faults=tuple(faults[:20]))
    facts = []
    for each in wanted:
        priority = each.priority
        if priority is None:
            priority = priority_of(None, known[each.inference_request_id])
        gold = {"gold_answer": answer_of(queue, each.gold)} if each.gold is not None else {}
        told = {"priority": priority, "reason": each.reason, "skill": each.skill or "", **gold}
        facts.append(opened(project_id, queue, each.inference_request_id, decider.actor, told, now))
    return tell_new(session, facts, decider)


def _faults(queue: ReviewQueue, task: NewTask, known: Any) -> Iterable[Fault]:
    if task.inference_request_id not in known:
        yield Fault("inference_request_id", "not-registered")
    if not queue.knows(task.skill or ""):
        yield Fault("skill", "not-registered")
    if task.gold is not None:
        try:
            answer_of(queue, task.gold)
        except ValidationFailed as error:
            yield from (Fault(f"gold{fault.pointer.removeprefix('/value')}", fault.code) for fault in error.faults)


def opened(
    project_id: int, queue: ReviewQueue, inference_request_id: str, actor: str, told: dict[str, Any], now: datetime
) -> Fact:
    """The fact that says so; `told` has priority and reason, and skill, feedback_id, gold_answer and policy if any."""
    task_id = task_id_of(project_id, queue.queue_id, inference_request_id)
    wanted = 0 if "gold_answer" in told else queue.overlap
    item = {"queue_id": queue.queue_id, "inference_request_id": inference_request_id, "wanted": wanted}
    return Fact(project_id, OPENED, task_id, {"actor": actor, "subject": task_id, **item, **told}, now)


def tell_new(session: Session, facts: Sequence[Fact], decider: Decider) -> dict[str, bool]:
    """Tells those that are not known, one after another in a project; by task id whether each was new.

    The caller commits, soon.
    """
    if not facts:
        return {}
    key = {"key": f"review opening {facts[0].project_id}"}
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)
    ids = [fact.id for fact in facts]
    known = set(session.execute(KNOWN, {"project_id": facts[0].project_id, "ids": ids}).scalars())
    new = {fact.id: fact for fact in facts if fact.id not in known}
    if new:
        tell(session, list(new.values()), decider.pepper)
    return {name: name in new for name in ids}
