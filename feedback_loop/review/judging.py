"""Judging: a reviewer submits, skips or escalates; the last label brings the verdict, or leaves it to an expert."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.decisions import Decider
from feedback_ingest.errors import NotFound, TaskMovedOn
from feedback_ingest.log import Fact
from feedback_loop.learning.agreement import Judgement, pairwise_agreement
from feedback_loop.learning.consensus_methods import Record, collect
from feedback_loop.learning.reviewing import ReviewQueue, answer_of, verdict_of
from feedback_loop.review.claims import LOCK_TASK, locked
from feedback_loop.review.folding import DECIDED, ESCALATED, SKIPPED, SUBMITTED, tell
from feedback_loop.review.items import bodies

EXPERT = "expert"
OTHERS = 5_000
"""How many of the queue's newest labels a method is given that learns from other items."""
PARTS = text("""
SELECT reviewer, answer, value FROM review_assignments
WHERE project_id = :project_id AND task_id = :task_id AND state = 'submitted' ORDER BY reviewer
""")
AROUND = text("""
SELECT task_id, reviewer, answer FROM review_assignments
WHERE project_id = :project_id AND queue_id = :queue_id AND answer <> '' AND task_id <> :task_id
ORDER BY at DESC LIMIT :limit
""")
RECORDS = text("""
SELECT reviewer, count(*) AS asked, count(*) FILTER (WHERE correct) AS right FROM review_assignments
WHERE project_id = :project_id AND queue_id = :queue_id AND correct IS NOT NULL GROUP BY reviewer
""")


class Part(NamedTuple):
    """One label of an item: by whom, which answer, and the value that says it."""

    reviewer: str
    answer: str
    value: Mapping[str, Any]


class Holding(NamedTuple):
    """What a reviewer acts on: a task under a lease."""

    project_id: int
    task_id: str
    reviewer: str
    lease_id: str


class Word(NamedTuple):
    """An expert's word on a task, and whether it is marked golden."""

    project_id: int
    task_id: str
    value: dict[str, Any]
    is_golden: bool


class Closing(NamedTuple):
    """A task of a queue that is being closed."""

    project_id: int
    queue: ReviewQueue
    task: Mapping[str, Any]
    now: datetime


class Judged(NamedTuple):
    """What became of the task by it; `verdict` is the feedback_id of the verdict in the log, if there is one now."""

    state: str
    verdict: str | None = None


def submit(
    session: Session, queue: ReviewQueue, held: Holding, value: dict[str, Any], decider: Decider, now: datetime
) -> Judged:
    """A reviewer's label; the same once more changes nothing. The caller commits, soon.

    Raises ValidationFailed, NotFound, or TaskMovedOn where the lease is over or the task was taken to an expert.
    """
    answer = answer_of(queue, value)
    mine, task = locked(session, *held)
    if mine["state"] == "submitted" and mine["answer"] == answer:
        return Judged("submitted")
    if mine["state"] == "submitted" or task["state"] != "open":
        raise TaskMovedOn()
    facts = [_said(SUBMITTED, held, now, value=value, answer=answer)]
    judged = Judged("submitted")
    if not task["is_gold"] and task["labels"] + 1 == task["wanted"]:
        parts = sorted([*_parts(session, held.project_id, held.task_id), Part(held.reviewer, answer, value)])
        judged, told = _adjudicated(session, Closing(held.project_id, queue, task, now), parts)
        facts += told
    tell(session, facts, decider.pepper)
    return judged


def conclude(
    session: Session, queue: ReviewQueue, held: Holding, value: dict[str, Any], confidence: float, decider: Decider,
    now: datetime,
) -> Judged:  # fmt: skip
    """An answer that a tool outside made of many: the verdict, or disputed where it is not sure enough of it.

    The caller commits, soon. Raises as `submit`.
    """
    answer = answer_of(queue, value)
    task = locked(session, *held)[1]
    outcome = {
        "method": queue.judged_in,
        "share": confidence,
        "agreement": None,
        "reason": f"consolidated with a confidence of {confidence:.3f}",
        "annotators": [held.reviewer],
    }
    closing = Closing(held.project_id, queue, task, now)
    judged, told = Judged("disputed"), [_closed(closing, "disputed", outcome)]
    if task["is_gold"]:
        judged, told = Judged("submitted"), []
    elif confidence > queue.more_than:
        judged, told = _decided(session, closing, value, outcome, queue.golden)
    tell(session, [_said(SUBMITTED, held, now, value=value, answer=answer), *told], decider.pepper)
    return judged


def skip(session: Session, held: Holding, reason: str, decider: Decider, now: datetime) -> None:
    """The reviewer has nothing to say of it, and is not given it again. Raises as `locked`; the caller commits."""
    _leave(session, held, SKIPPED, reason, decider, now)


def escalate(session: Session, held: Holding, reason: str, decider: Decider, now: datetime) -> None:
    """The task leaves the queue for an expert; what others held of it is over. Raises as `locked`."""
    _leave(session, held, ESCALATED, reason, decider, now)


def adjudicate(session: Session, queue: ReviewQueue, word: Word, decider: Decider, now: datetime) -> Judged:
    """An expert's word on what was disputed or escalated; the caller commits, soon.

    Raises ValidationFailed, NotFound, or TaskMovedOn where it is neither.
    """
    answer_of(queue, word.value)
    task = task_of(session, word.project_id, word.task_id, for_update=True)
    if task["state"] not in ("disputed", "escalated"):
        raise TaskMovedOn()
    parts = _parts(session, word.project_id, word.task_id)
    outcome = {
        "method": EXPERT,
        "share": 1.0,
        "agreement": pairwise_agreement([part.answer for part in parts]),
        "reason": f"an expert's word on what was {task['state']}",
        "annotators": sorted({decider.actor, *(part.reviewer for part in parts)}),
    }
    closing = Closing(word.project_id, queue, task, now)
    judged, facts = _decided(session, closing, word.value, outcome, word.is_golden)
    tell(session, facts, decider.pepper)
    return judged


def task_of(session: Session, project_id: int, task_id: str, for_update: bool = False) -> Mapping[str, Any]:
    """The task as a row; raises NotFound."""
    query = LOCK_TASK if for_update else text(LOCK_TASK.text.removesuffix("FOR UPDATE"))
    task = session.execute(query, {"project_id": project_id, "task_id": task_id}).mappings().first()
    if task is None:
        raise NotFound()
    return dict(task)


def records(session: Session, project_id: int, queue_id: str) -> dict[str, Record]:
    """How each reviewer of a queue did on its gold items."""
    found = session.execute(RECORDS, {"project_id": project_id, "queue_id": queue_id})
    return {reviewer: Record(asked, right) for reviewer, asked, right in found}


def _adjudicated(session: Session, closing: Closing, parts: Sequence[Part]) -> tuple[Judged, list[Fact]]:
    """What the labels of an item say together: a verdict, or that it is disputed; and the facts that say so."""
    queue, task_id = closing.queue, closing.task["task_id"]
    method = collect()[queue.method]()
    judgements = [Judgement(task_id, part.reviewer, part.answer) for part in parts]
    if method.learns_from_others:
        given = {"project_id": closing.project_id, "queue_id": queue.queue_id, "task_id": task_id, "limit": OTHERS}
        judgements += [Judgement(*row) for row in session.execute(AROUND, given)]
    known = records(session, closing.project_id, queue.queue_id) if method.uses_records else {}
    found = method.decide(judgements, known, queue.more_than)[task_id]
    outcome = {
        "method": queue.method,
        "share": found.share,
        "agreement": found.agreement,
        "reason": found.reason,
        "annotators": [part.reviewer for part in parts],
    }
    value = next((part.value for part in parts if part.answer == found.answer), None)
    if value is None:
        return Judged("disputed"), [_closed(closing, "disputed", outcome)]
    return _decided(session, closing, value, outcome, queue.golden)


def _decided(
    session: Session, closing: Closing, value: Mapping[str, Any], outcome: dict[str, Any], is_golden: bool
) -> tuple[Judged, list[Fact]]:
    """The decision, and the verdict as feedback about the inference, under an id of its own for ever."""
    task = closing.task
    told = {"task_id": task["task_id"], "annotators": outcome["annotators"][:100], "method": outcome["method"]}
    told |= {} if outcome["agreement"] is None else {"agreement": outcome["agreement"]}
    told |= {"golden": True} if is_golden else {}
    name = str(uuid5(NAMESPACE_OID, f"verdict/{closing.project_id}/{task['task_id']}"))
    body = {
        "feedback_id": name,
        "inference_request_id": task["inference_request_id"],
        **_model(session, closing.project_id, task),
        "source": {"kind": "reviewer", "id": f"review/{task['queue_id']}"},
        **verdict_of(closing.queue, value, told),
    }
    if outcome["method"] == closing.queue.judged_in:  # there is no agreement to tell of, only how sure the tool is
        body["confidence"] = outcome["share"]
    closed = _closed(closing, "decided", {**outcome, "value": dict(value), "verdict": name})
    return Judged("decided", name), [closed, Fact(closing.project_id, "feedback", name, body, closing.now)]


def _model(session: Session, project_id: int, task: Mapping[str, Any]) -> dict[str, str]:
    """Whose answer was judged: as the inference says, or where it is not logged, the feedback that led to it."""
    name = task["inference_request_id"]
    said = bodies(session, project_id, "inference", [name]).get(name)
    if said is None:
        said = bodies(session, project_id, "feedback", [task["feedback_id"]])[task["feedback_id"]]
    return {field: said[field] for field in ("model_name", "model_version") if field in said}


def _parts(session: Session, project_id: int, task_id: str) -> list[Part]:
    found = session.execute(PARTS, {"project_id": project_id, "task_id": task_id})
    return [Part(*row) for row in found]


def _leave(session: Session, held: Holding, kind: str, reason: str, decider: Decider, now: datetime) -> None:
    mine, task = locked(session, *held)
    if mine["state"] != "leased" or (task["state"] != "open" and kind == ESCALATED):
        raise TaskMovedOn()
    tell(session, [_said(kind, held, now, reason=reason)], decider.pepper)


def _said(kind: str, held: Holding, now: datetime, **told: Any) -> Fact:
    """What one reviewer says of one task: under one name, so the log itself holds no second one."""
    body = {"actor": held.reviewer, "subject": held.task_id, **told}
    return Fact(held.project_id, kind, f"{held.task_id}:{held.reviewer}", body, now)


def _closed(closing: Closing, state: str, outcome: dict[str, Any]) -> Fact:
    task_id = closing.task["task_id"]
    about = {name: closing.task[name] for name in ("queue_id", "inference_request_id")}
    told = {"state": state, "reason": outcome["reason"], "outcome": outcome}
    body = {"actor": outcome["method"], "subject": task_id, **about, **told}
    return Fact(closing.project_id, DECIDED, f"{task_id}:{state}", body, closing.now)
