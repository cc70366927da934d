"""Where Label Studio calls back: what it tells is a reason to look there, and is not believed."""

import hmac
from collections.abc import Mapping
from typing import Any, cast

import orjson
from fastapi import APIRouter, BackgroundTasks, Request

from api import openapi
from api.receiver.bodies import JSON_TYPE, Receive, header, media_type, read_body
from feedback_ingest.decisions import Decider
from feedback_ingest.errors import MalformedJson, NotFound, Unauthenticated
from feedback_loop.review.label_studio.exchange import HOOK_PATH, TOOL, hear
from feedback_loop.review.label_studio.server import HEADER

router = APIRouter(tags=["review"])


@router.post(
    HOOK_PATH,
    status_code=202,
    summary="Be told by Label Studio that something was annotated",
    responses=openapi.answers(400, 401, 404, 408, 413, 415, 503),
)
async def called(request: Request, later: BackgroundTasks) -> dict[str, Any]:
    """For Label Studio alone, which shows `FEEDBACK_LABEL_STUDIO_SECRET` in the header X-Feedback-Secret.

    Which tasks it names is all that is read of the body; what was said of them is asked of Label Studio itself, after
    the answer. What is missed here comes in by the next exchange.
    """
    receiving = request.app.state.receiving
    settings = receiving.door.settings
    if settings.label_studio_secret is None or settings.label_studio_url is None:
        raise NotFound()
    scope = dict(request.scope)
    shown = "".join(header(scope, HEADER.lower().encode()))
    if not hmac.compare_digest(shown.encode(), settings.label_studio_secret.encode()):
        raise Unauthenticated()
    media_type(scope, JSON_TYPE)
    raw = await read_body(scope, cast(Receive, request.receive), settings.max_body_bytes, settings.body_deadline_s)
    project, tasks = named(raw)
    if project is not None and tasks:
        decider = Decider(TOOL, receiving.door.intake.receiver.pepper)
        later.add_task(hear, receiving.database, settings, decider, project, tasks)
    return {"looking_at": len(tasks)}


def named(raw: bytes) -> tuple[int | None, list[str]]:
    """The project and the tasks that a call names, by their ids there; raises MalformedJson."""
    try:
        told = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise MalformedJson() from None
    told = told if isinstance(told, Mapping) else {}
    tasks = told.get("task")
    listed = tasks if isinstance(tasks, list) else [tasks]
    found = [_id(each) for each in listed]
    return _id(told.get("project")), [str(each) for each in found if each is not None]


def _id(told: Any) -> int | None:
    found = told.get("id") if isinstance(told, Mapping) else None
    return found if isinstance(found, int) and 0 < found < 2**63 else None
