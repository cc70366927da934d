"""The quarantine over HTTP: look at what was refused, mend it, send it again, or set it aside."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from msgspec import Meta
from sqlmodel import Session

from api.access import AdminKey, Reading, ReviewKey, decider_of
from api.json_bodies import MERGE_PATCH, Body, body, cursor_of, described, raw_body
from api.receiver.bodies import JSON_TYPE
from api.receiver.problems import item_problem
from feedback_ingest.clock import utc_now
from feedback_ingest.errors import Fault, NotFound, Refused, ValidationFailed
from feedback_ingest.quarantine import STATUSES, content, discard, find, mend, name_of, page, shown
from feedback_ingest.receive import Sender
from feedback_ingest.replay import Replayed, replay, senders_of
from feedback_ingest.tables import QuarantinedItem

router = APIRouter(tags=["quarantine"])
PAGE = 100


class Filter(Body):
    """Which held items to send again: all, or those of a stage or with a code; the newest `limit` of them."""

    stage: Annotated[str, Meta(max_length=64)] | None = None
    code: Annotated[str, Meta(max_length=64)] | None = None
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 1_000


@router.get("/v1/quarantine", summary="What was refused, newest first")
def list_items(
    sender: ReviewKey,
    session: Reading,
    stage: str | None = None,
    code: str | None = None,
    status: str = "held",
    cursor: str | None = None,
) -> dict[str, Any]:
    """A hundred a page, without the events; `status` is held, replayed, discarded or all."""
    if status not in (*STATUSES, "all"):
        raise ValidationFailed(faults=(Fault("/status", "not-allowed"),))
    items = page(
        session,
        sender.project_id,
        status=None if status == "all" else status,
        stage=stage,
        code=code,
        before=cursor_of(cursor),
        limit=PAGE,
    )
    return {
        "items": [_summary(item) for item in items],
        "next_cursor": str(items[-1].item_id) if len(items) == PAGE else None,
    }


@router.post("/v1/quarantine/replay", summary="Send many held items again", openapi_extra=described(Filter))
async def replay_items(sender: AdminKey, request: Request, wanted: Annotated[Filter, body(Filter)]) -> dict[str, Any]:
    """Each through the normal path under its own id; what is refused again stays held."""
    receiving = request.app.state.receiving
    with Session(receiving.database.engine, expire_on_commit=False) as session:
        items = page(session, sender.project_id, stage=wanted.stage, code=wanted.code, limit=wanted.limit)
    done = await replay(receiving.database, receiving.door.intake, items, decider_of(request, sender))
    counts = dict.fromkeys(("accepted", "duplicate", "conflict", "refused"), 0)
    for found in done:
        counts[found.status] += 1
    return {"counts": counts, "results": [_told(found) for found in done]}


@router.get("/v1/quarantine/{item_id}", summary="One refused event, and what is wrong with it")
def show_item(item_id: str, sender: ReviewKey, request: Request, session: Reading) -> dict[str, Any]:
    """The event as it was sent and as it was mended; `user_id` is shown as its pseudonym."""
    return _whole(request, _find(session, sender, item_id))


@router.patch(
    "/v1/quarantine/{item_id}",
    summary="Mend an event: all of it anew, or a JSON Merge Patch",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {JSON_TYPE: {"schema": {"type": "object"}}, MERGE_PATCH: {"schema": {"type": "object"}}},
        }
    },
)
async def mend_item(item_id: str, sender: AdminKey, request: Request) -> dict[str, Any]:
    """Kept beside the original; the answer says what is wrong with it now. It is stored by a replay, not by this."""
    media, raw = await raw_body(request, JSON_TYPE, MERGE_PATCH)
    with Session(request.app.state.receiving.database.engine) as session:
        item = _find(session, sender, item_id)
        mend(session, item, raw, decider_of(request, sender), utc_now(), is_patch=media == MERGE_PATCH)
        item.faults = _faults(request, item, senders_of(session, [item])[item.key_id])
        session.add(item)
        session.flush()
        answer = _whole(request, item)
        session.commit()
    return answer


@router.post("/v1/quarantine/{item_id}/replay", summary="Send one item again, through the normal path")
async def replay_item(item_id: str, sender: AdminKey, request: Request) -> dict[str, Any]:
    """Its receipt; a second time the same as a duplicate. Raises what the door would: 409 and 422 leave it held."""
    receiving = request.app.state.receiving
    with Session(receiving.database.engine, expire_on_commit=False) as session:
        item = _find(session, sender, item_id)
    [done] = await replay(receiving.database, receiving.door.intake, [item], decider_of(request, sender))
    if done.error is not None:
        raise done.error
    return _told(done)


@router.post("/v1/quarantine/{item_id}/discard", summary="Set one item aside")
def discard_item(item_id: str, sender: AdminKey, request: Request, session: Reading) -> dict[str, Any]:
    """It is no longer listed as held, and forgotten after FEEDBACK_QUARANTINE_DAYS; until then it can be replayed."""
    item = _find(session, sender, item_id)
    discard(session, [item], decider_of(request, sender), utc_now())
    session.flush()
    answer = _summary(item)
    session.commit()
    return answer


def _find(session: Session, sender: Sender, item_id: str) -> QuarantinedItem:
    if not (item_id.isascii() and item_id.isdigit() and len(item_id) < 19):
        raise NotFound()
    return find(session, sender.project_id, int(item_id))


def _faults(request: Request, item: QuarantinedItem, sender: Sender) -> list[dict[str, str]]:
    """What the door would say to the event now, from the one who sent it."""
    receiver = request.app.state.receiving.door.intake.receiver
    look = receiver.feedback if item.kind == "feedback" else receiver.inference
    try:
        look(content(item), sender, utc_now())
    except Refused as error:
        return [{"pointer": fault.pointer, "code": fault.code} for fault in error.faults]
    return []


def _summary(item: QuarantinedItem) -> dict[str, Any]:
    told: dict[str, Any] = item.model_dump(exclude={"item_id", "project_id", "body", "mended", "log_offset", "faults"})
    name = name_of(item.kind, content(item))
    more = {"event_id": name, "errors": item.faults, "is_mended": item.mended is not None, "offset": item.log_offset}
    return {"id": str(item.item_id), **told, **more}


def _whole(request: Request, item: QuarantinedItem) -> dict[str, Any]:
    pepper = request.app.state.receiving.door.intake.receiver.pepper
    mended = None if item.mended is None else shown(item, item.mended, pepper)
    return {**_summary(item), "event": shown(item, item.body, pepper), "mended": mended}


def _told(found: Replayed) -> dict[str, Any]:
    receipt = {"id": str(found.item_id), "event_id": found.event_id, "status": found.status, "offset": found.log_offset}
    return receipt if found.error is None else {**receipt, **item_problem(found.error), "status": found.status}
