"""The training queue over HTTP: trainers are given examples for a time, acknowledge them, and have them again."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request, Response
from msgspec import Meta
from sqlmodel import Session

from api import openapi
from api.access import Reading, ReadKey
from api.json_bodies import Body, body, described
from api.looking import look
from api.wakeups import Wakeups
from feedback_ingest.clock import monotonic_s, new_id, utc_now
from feedback_ingest.errors import Fault, NotFound, ValidationFailed
from feedback_ingest.project_log import first_offset
from feedback_ingest.receive import Sender
from feedback_loop.stream.queue import claims, groups
from feedback_loop.stream.queue.tables import TrainingGroup
from feedback_loop.stream.status import position_of

router = APIRouter(tags=["training queue"])
Claimed = tuple[dict[str, Any], int]
ROUND_S = 0.02
LONGEST_S = 0.5
"""The stream makes an event an example within some milliseconds: who waits looks as often while it is at work, and
rarely while it stands still."""
Text = Annotated[str, Meta(min_length=1, max_length=256)]
Ids = Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(min_length=1, max_length=1_000)]
REFUSALS = openapi.answers(400, 401, 403, 404, 408, 413, 415, 422, 503)


class Claim(Body, rename={"start": "from"}):
    """What a trainer asks for; `model_name` and `from` are for the first claim of a group, which makes it."""

    group: Text = groups.DEFAULT
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100
    lease_s: Annotated[int, Meta(ge=1, le=86_400)] = 60
    worker: Text = "anonymous"
    model_name: Text | None = None
    start: Annotated[str, Meta(max_length=128)] = "earliest"
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0


class Done(Body):
    """A claim, or some of its examples."""

    claim_id: Text
    group: Text = groups.DEFAULT
    feedback_ids: Ids | None = None


class Replay(Body, rename={"start": "from"}):
    """From where on a group is given everything again: a start as GET /v1/log takes it."""

    start: Annotated[str, Meta(max_length=128)]
    group: Text = groups.DEFAULT


@router.get("/v1/training-queue", summary="The groups that learn from the queue, and how much waits for each")
def list_groups(sender: ReadKey, session: Reading) -> dict[str, Any]:
    """By name; `waiting` is counted up to 100,000."""
    now = utc_now()
    found = groups.every(session, sender.project_id)
    return {"groups": [_shown(groups.state(session, group, now)) for group in found]}


@router.post(
    "/v1/training-queue/claim",
    summary="Be given examples, oldest first",
    openapi_extra=described(Claim),
    responses=REFUSALS,
    response_class=Response,
)
async def claim(request: Request, sender: ReadKey, wanted: Annotated[Claim, body(Claim)]) -> Response:
    """Each example goes to one trainer of a group; after `lease_s` without an acknowledgement to another."""
    until_s, room = monotonic_s() + wanted.wait_ms / 1000, request.app.state.receiving.door.settings.max_streams
    claiming = partial(look, request.app.state.receiving.database, partial(_claim, sender=sender, wanted=wanted))
    answer, at = await claiming()
    if not answer["examples"] and wanted.wait_ms and request.app.state.wakeups.has_room(room):
        answer = await _waited(request.app.state.wakeups, claiming, answer, at, until_s)
    return Response(orjson.dumps(answer, option=orjson.OPT_UTC_Z), media_type="application/json")


@router.post(
    "/v1/training-queue/ack",
    summary="Say what was learnt from",
    openapi_extra=described(Done),
    responses=REFUSALS,
)
def acknowledge(sender: ReadKey, session: Reading, done: Annotated[Done, body(Done)]) -> dict[str, Any]:
    """It is not handed out to the group again. `withdrawn`: taken back meanwhile; `lost`: another may have it now."""
    found = claims.acknowledge(session, _group(session, sender, done.group), done.claim_id, done.feedback_ids)
    session.commit()
    return {"acknowledged": len(found.done), "withdrawn": found.withdrawn, "lost": found.lost}


@router.post(
    "/v1/training-queue/release",
    summary="Give examples back before their time",
    openapi_extra=described(Done),
    responses=REFUSALS,
)
def release(sender: ReadKey, session: Reading, done: Annotated[Done, body(Done)]) -> dict[str, Any]:
    """The next claim has them, first."""
    group = _group(session, sender, done.group)
    found = claims.give_back(session, group, done.claim_id, done.feedback_ids, utc_now())
    session.commit()
    return {"released": len(found)}


@router.post(
    "/v1/training-queue/replay",
    summary="Have a group given everything again from a place on",
    openapi_extra=described(Replay),
    responses=REFUSALS,
)
def replay(sender: ReadKey, session: Reading, wanted: Annotated[Replay, body(Replay)]) -> dict[str, Any]:
    """Counted by the events that made the examples ready; what was withdrawn is not among them."""
    now = utc_now()
    start = first_offset(session, sender.project_id, wanted.start, now)
    told = _shown(groups.state(session, groups.move(session, sender.project_id, wanted.group, start, now), now))
    session.commit()
    return told


@router.delete(
    "/v1/training-queue/{group}",
    status_code=204,
    summary="Forget a group",
    responses=openapi.answers(401, 403, 404, 503),
)
def forget(group: str, sender: ReadKey, session: Reading) -> None:
    """The queue stays; a claim under the name makes the group anew."""
    groups.forget(session, sender.project_id, group)
    session.commit()


async def _waited(
    wakeups: Wakeups, claiming: Callable[[], Awaitable[Claimed]], answer: dict[str, Any], at: int, until_s: float
) -> dict[str, Any]:
    """The first answer with examples, or the last without."""
    pause_s = ROUND_S
    with wakeups.waiting():
        while not answer["examples"] and not wakeups.closing.is_set() and (left_s := until_s - monotonic_s()) > 0:
            await wakeups.beyond(at, min(left_s, LONGEST_S))
            await wakeups.pause(min(left_s, pause_s))
            answer, now_at = await claiming()
            pause_s = ROUND_S if now_at > at else min(2 * pause_s, LONGEST_S)
            at = now_at
    return answer


def _claim(session: Session, sender: Sender, wanted: Claim) -> Claimed:
    """The answer, and how far the queue had got in the log before it was looked at."""
    at, now = position_of(session, "training_queue"), utc_now()
    group = groups.locked(session, sender.project_id, wanted.group) or _made(session, sender, wanted)
    if wanted.model_name not in (None, group.model_name):
        raise ValidationFailed(faults=(Fault("/model_name", "another-group"),))
    lease = claims.Lease(str(new_id()), wanted.worker, now, wanted.lease_s)
    rows = claims.claim(session, group, lease, wanted.limit)
    told = {"group": group.name, "claim_id": lease.claim_id, "leased_until": lease.leased_until}
    session.commit()
    return {**told, "examples": [_example(row) for row in rows]}, at


def _made(session: Session, sender: Sender, wanted: Claim) -> TrainingGroup:
    now = utc_now()
    start = first_offset(session, sender.project_id, wanted.start, now)
    new = TrainingGroup(
        project_id=sender.project_id,
        name=wanted.group,
        model_name=wanted.model_name,
        ready_offset=start,
        log_offset=0,
        made_at=now,
        moved_at=now,
    )
    return groups.make(session, new)


def _group(session: Session, sender: Sender, name: str) -> TrainingGroup:
    group = groups.locked(session, sender.project_id, name)
    if group is None:
        raise NotFound()
    return group


def _example(row: dict[str, Any]) -> dict[str, Any]:
    """Labels are kept as JSON text, so that `4` and `"4"` differ; here they are the values they were sent as."""
    told = {"offset" if name == "log_offset" else name: value for name, value in row.items()}
    example = orjson.loads(row["example"])
    return {
        **told,
        "label": _value(row["label"]),
        "example": {**example, "answer_label": _value(example["answer_label"])},
    }


def _value(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _shown(state: groups.GroupState) -> dict[str, Any]:
    told = state.group.model_dump(exclude={"project_id", "ready_offset", "log_offset"})
    return {**told, "waiting": state.waiting, "claimed": state.claimed, "expired": state.expired}
