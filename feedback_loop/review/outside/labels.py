"""Labels from outside: what somebody said in another tool becomes a label of the gateway, for that person once."""

from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlmodel import Session

from feedback_ingest.clock import new_id
from feedback_ingest.decisions import Decider
from feedback_ingest.errors import Forbidden
from feedback_loop.learning.reviewing import ReviewQueue, answer_of
from feedback_loop.review import judging
from feedback_loop.review.claims import LOCK_MINE, Lease, end_leases, take
from feedback_loop.review.judging import Holding, Judged, submit, task_of

Became = Literal["submitted", "decided", "disputed", "known", "surplus", "waits"]
"""`known`: this person's label is in; `surplus`: the item has all that it wants; `waits`: somebody holds it here."""


class OutsideLabel(NamedTuple):
    """What one person said of one task, as a value of the queue's feedback type; `reviewer` names tool and person."""

    project_id: int
    task_id: str
    reviewer: str
    value: dict[str, Any]


def give(session: Session, queue: ReviewQueue, label: OutsideLabel, decider: Decider, now: datetime) -> Became:
    """Takes the task and submits the label in one transaction, which the caller commits, soon.

    Raises ValidationFailed, NotFound, or Forbidden where the queue names its reviewers and this is none of them.
    """
    held = _taken(session, queue, label, now)
    return held if isinstance(held, str) else _became(submit(session, queue, held, label.value, decider, now))


def conclude(
    session: Session, queue: ReviewQueue, label: OutsideLabel, confidence: float, decider: Decider, now: datetime
) -> Became:
    """The same for an answer that the tool made of many, with how sure it is: the item is closed by it.

    Raises as `give`.
    """
    held = _taken(session, queue, label, now)
    if isinstance(held, str):
        return held
    return _became(judging.conclude(session, queue, held, label.value, confidence, decider, now))


def _taken(session: Session, queue: ReviewQueue, label: OutsideLabel, now: datetime) -> Holding | Became:
    """The task under a lease of this moment, or why there is none."""
    if not queue.may_judge(label.reviewer):
        raise Forbidden("The queue names its reviewers, and this person is none of them.")
    answer_of(queue, label.value)
    end_leases(session, label.project_id, queue.queue_id, now)
    task = task_of(session, label.project_id, label.task_id, for_update=True)
    named = {"project_id": label.project_id, "task_id": label.task_id, "reviewer": label.reviewer}
    mine = session.execute(LOCK_MINE, named).mappings().first()
    if mine is not None and mine["state"] == "submitted":
        return "known"
    if task["state"] != "open":
        return "surplus"
    lease = Lease(label.project_id, label.reviewer, str(new_id()), now)
    if not take(session, queue, lease, task):
        return "waits"
    return Holding(label.project_id, label.task_id, label.reviewer, lease.lease_id)


def _became(judged: Judged) -> Became:
    if judged.verdict is not None:
        return "decided"
    return "submitted" if judged.state == "submitted" else "disputed"
