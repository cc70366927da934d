"""Review over HTTP: queues, items given to reviewers for a time, what they say, and what an expert decides."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from msgspec import Meta
from sqlmodel import Session

from api import openapi
from api.access import Reading, ReviewKey, decider_of
from api.json_bodies import Body, body, described
from api.review_intake import open_new
from feedback_ingest.clock import new_id, utc_now
from feedback_ingest.receive import Sender
from feedback_loop.learning.reviewing import ReviewQueue
from feedback_loop.review import claims, figures, items, judging
from feedback_loop.review.judging import Holding, Judged
from feedback_loop.review.opening import NewTask, open_tasks
from feedback_loop.review.queues import ProjectQueues

router = APIRouter(prefix="/v1/review", tags=["review"])
PAGE = 100
TaskId = Annotated[str, Meta(min_length=1, max_length=64)]
Reason = Annotated[str, Meta(max_length=1_000)]
REFUSALS = openapi.answers(400, 401, 403, 404, 408, 409, 413, 415, 422, 503)


class Claim(Body):
    """What a reviewer has at hand: a claim gives another of those held already, or else the next one."""

    at_hand: Annotated[list[TaskId], Meta(max_length=100)] = []


class Submission(Body):
    """The answer to a task, as a value of the queue's feedback type, under the lease it was given with."""

    lease_id: TaskId
    value: dict[str, Any]


class Leaving(Body):
    """A task that is given up, under the lease it was given with."""

    lease_id: TaskId
    reason: Reason = ""


class Word(Body):
    """An expert's answer to what was disputed or escalated; `golden` rows are marked so for the datasets."""

    value: dict[str, Any]
    golden: bool = False


class NewTasks(Body):
    """Items to be judged, each once in a queue."""

    tasks: Annotated[list[NewTask], Meta(min_length=1, max_length=1_000)]


@router.get("/queues", summary="The project's review queues")
def list_queues(sender: ReviewKey, session: Reading) -> dict[str, Any]:
    """By id; `default` is there without being defined. Who its reviewers are is told to its experts."""
    queues = ProjectQueues(session, sender.project_id).every()
    return {"queues": [_shown(queue, sender) for queue in queues]}


@router.post(
    "/queues",
    status_code=201,
    summary="Define a review queue, or change one",
    openapi_extra=described(ReviewQueue),
    responses=openapi.CHANGED,
)
def define_queue(
    sender: ReviewKey,
    request: Request,
    response: Response,
    session: Reading,
    wanted: Annotated[ReviewQueue, body(ReviewQueue)],
) -> dict[str, Any]:
    """A queue that names its reviewers is changed by its experts, and by keys with the scope admin, alone.

    Items that are open keep the overlap they were opened with.
    """
    queues = ProjectQueues(session, sender.project_id)
    is_new = queues.define(wanted, decider_of(request, sender), sender.may("admin"), utc_now())
    session.commit()
    response.status_code = 201 if is_new else 200
    return wanted.as_data()


@router.post(
    "/queues/{queue_id}/tasks",
    summary="Open items for review",
    openapi_extra=described(NewTasks),
    responses=REFUSALS,
)
def open_items(
    queue_id: str, sender: ReviewKey, request: Request, session: Reading, wanted: Annotated[NewTasks, body(NewTasks)]
) -> dict[str, Any]:
    """An inference is one task in a queue, so asking again opens nothing. For experts of the queue."""
    queue = _of_expert(session, queue_id, sender)
    found = open_tasks(session, sender.project_id, queue, wanted.tasks, decider_of(request, sender), utc_now())
    session.commit()
    return {"opened": sum(found.values()), "task_ids": list(found)}


@router.get(
    "/queues/{queue_id}/tasks",
    summary="What is left to an expert: disputed and escalated items, with their labels",
    responses=openapi.answers(401, 403, 404, 503),
)
def list_open(queue_id: str, sender: ReviewKey, session: Reading) -> dict[str, Any]:
    """The oldest 100."""
    queue = _of_expert(session, queue_id, sender)
    found = figures.open_for_experts(session, sender.project_id, queue_id, PAGE)
    shown = [{**task, "item": items.item(session, sender.project_id, queue, task)} for task in found]
    return {"asked": items.asked(queue), "tasks": shown}


@router.post(
    "/queues/{queue_id}/claim",
    summary="Be given the next item",
    openapi_extra=described(Claim),
    responses=REFUSALS,
)
def claim(
    queue_id: str, sender: ReviewKey, request: Request, session: Reading, wanted: Annotated[Claim, body(Claim)]
) -> dict[str, Any]:
    """One that nobody else can make too many, for `lease_s` seconds; `task` is null where there is none, with a reason.

    Where there is none, what routes and policies have sent to review by now is looked for.
    """
    queue = ProjectQueues(session, sender.project_id).of_reviewer(queue_id, sender.key_id)
    lease = claims.Lease(sender.project_id, sender.key_id, str(new_id()), utc_now())
    found = claims.claim(session, queue, lease, wanted.at_hand)
    session.commit()
    if found.reason == claims.EMPTY:
        open_new(session, sender.project_id, decider_of(request, sender).pepper, waits=True)
        found = claims.claim(session, queue, lease, wanted.at_hand)
        session.commit()
    if found.task is None:
        return {"task": None, "reason": found.reason}
    told = {name: found.task[name] for name in ("task_id", "lease_id", "leased_until", "reason", "priority")}
    shown = items.item(session, sender.project_id, queue, found.task)
    return {"task": {**told, "asked": items.asked(queue), "item": shown}}


@router.get(
    "/queues/{queue_id}/stats",
    summary="How a queue is doing, and its reviewers",
    responses=openapi.answers(401, 403, 404, 503),
)
def show_stats(queue_id: str, sender: ReviewKey, session: Reading) -> dict[str, Any]:
    """How much waits, Krippendorff's alpha of the newest labels, and for its experts how each reviewer does.

    A reviewer is told of no other.
    """
    queue = ProjectQueues(session, sender.project_id).of_reviewer(queue_id, sender.key_id)
    told = figures.stats(session, sender.project_id, queue, utc_now())
    if not (queue.is_expert(sender.key_id) or sender.may("admin")):
        told["reviewers"] = [each for each in told["reviewers"] if each["reviewer"] == sender.key_id]
    return told


@router.post(
    "/tasks/{task_id}/submit", summary="Say what it is", openapi_extra=described(Submission), responses=REFUSALS
)
def submit(
    task_id: str, sender: ReviewKey, request: Request, session: Reading, said: Annotated[Submission, body(Submission)]
) -> dict[str, Any]:
    """`decided`: this was the last label, and the verdict is in the log; `disputed`: it is left to an expert."""
    queue = _of_task(session, sender, task_id)
    held = Holding(sender.project_id, task_id, sender.key_id, said.lease_id)
    found = judging.submit(session, queue, held, said.value, decider_of(request, sender), utc_now())
    session.commit()
    return _told(found)


@router.post(
    "/tasks/{task_id}/release", summary="Give an item back", openapi_extra=described(Leaving), responses=REFUSALS
)
def release(
    task_id: str, sender: ReviewKey, session: Reading, said: Annotated[Leaving, body(Leaving)]
) -> dict[str, Any]:
    """Anybody may be given it again."""
    claims.release(session, sender.project_id, task_id, sender.key_id, said.lease_id)
    session.commit()
    return {"state": "released"}


@router.post(
    "/tasks/{task_id}/skip", summary="Have nothing to say of it", openapi_extra=described(Leaving), responses=REFUSALS
)
def skip(
    task_id: str, sender: ReviewKey, request: Request, session: Reading, said: Annotated[Leaving, body(Leaving)]
) -> dict[str, Any]:
    """Another reviewer may have it; this one is not given it again."""
    held = Holding(sender.project_id, task_id, sender.key_id, said.lease_id)
    judging.skip(session, held, said.reason, decider_of(request, sender), utc_now())
    session.commit()
    return {"state": "skipped"}


@router.post(
    "/tasks/{task_id}/escalate", summary="Leave it to an expert", openapi_extra=described(Leaving), responses=REFUSALS
)
def escalate(
    task_id: str, sender: ReviewKey, request: Request, session: Reading, said: Annotated[Leaving, body(Leaving)]
) -> dict[str, Any]:
    """It leaves the queue for everybody."""
    held = Holding(sender.project_id, task_id, sender.key_id, said.lease_id)
    judging.escalate(session, held, said.reason, decider_of(request, sender), utc_now())
    session.commit()
    return {"state": "escalated"}


@router.post(
    "/tasks/{task_id}/adjudicate",
    summary="Decide what was disputed or escalated",
    openapi_extra=described(Word),
    responses=REFUSALS,
)
def adjudicate(
    task_id: str, sender: ReviewKey, request: Request, session: Reading, said: Annotated[Word, body(Word)]
) -> dict[str, Any]:
    """For experts of the queue; the verdict goes to the log with the method `expert`."""
    task = judging.task_of(session, sender.project_id, task_id)
    queue = _of_expert(session, task["queue_id"], sender)
    word = judging.Word(sender.project_id, task_id, said.value, said.golden or queue.golden)
    found = judging.adjudicate(session, queue, word, decider_of(request, sender), utc_now())
    session.commit()
    return _told(found)


def _of_expert(session: Session, queue_id: str, sender: Sender) -> ReviewQueue:
    return ProjectQueues(session, sender.project_id).of_expert(queue_id, sender.key_id, sender.may("admin"))


def _of_task(session: Session, sender: Sender, task_id: str) -> ReviewQueue:
    task = judging.task_of(session, sender.project_id, task_id)
    return ProjectQueues(session, sender.project_id).of_reviewer(task["queue_id"], sender.key_id)


def _told(judged: Judged) -> dict[str, Any]:
    return {"state": judged.state} | ({"verdict": judged.verdict} if judged.verdict else {})


def _shown(queue: ReviewQueue, sender: Sender) -> dict[str, Any]:
    told = queue.as_data()
    if not (queue.is_expert(sender.key_id) or sender.may("admin")):
        told.pop("reviewers", None)
    return {**told, "is_reviewer": queue.may_judge(sender.key_id), "is_expert": queue.is_expert(sender.key_id)}
