"""Feedback links for e-mails and messages: made with a key, opened by anybody, and only a sent form stores anything."""

import asyncio
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
import orjson
from fastapi import APIRouter, Request, Response, Security
from sqlmodel import Session

from api import link_pages, openapi
from api.access import Reading, key
from api.json_bodies import body, described, raw_body
from feedback_ingest import log
from feedback_ingest.clock import new_id, utc_now
from feedback_ingest.doors import tokens
from feedback_ingest.doors.tables import FeedbackToken
from feedback_ingest.errors import Fault, FeedbackError, FeedbackIdConflict, Refused, ValidationFailed
from feedback_ingest.feedback_types import FeedbackValue, collect
from feedback_ingest.intake import FEEDBACK
from feedback_ingest.names import is_visible
from feedback_ingest.receive import Sender, refuse
from feedback_ingest.tables import EventKey

router = APIRouter(tags=["links"])
FORM = "application/x-www-form-urlencoded"
SenderKey = Annotated[Sender, Security(key, scopes=["ingest"])]
PAGE: dict[str, Any] = {"content": {"text/html": {"schema": {"type": "string"}}}}
PAGES: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such link.", **PAGE},
    410: {"description": "The link was used, or its time is over.", **PAGE},
}
SENT_PAGES: dict[int | str, dict[str, Any]] = {
    code: {"description": told, **PAGE}
    for code, told in ((422, "The form is not filled in."), (503, "Not stored now; send the form again."))
}


@router.post(
    "/v1/feedback-tokens",
    status_code=201,
    summary="Make a link by which a person may answer for one inference",
    openapi_extra=described(tokens.NewToken),
    responses=openapi.answers(400, 401, 403, 408, 413, 415, 422, 503),
)
def make_link(
    request: Request, sender: SenderKey, session: Reading, wanted: Annotated[Any, body(tokens.NewToken)]
) -> dict[str, Any]:
    """The secret is told once. Without `model_version` the inference must be logged already."""
    drawable = _drawable()
    faults = [
        Fault(f"/feedback_types/{place}", "not-allowed")
        for place, name in enumerate(wanted.feedback_types)
        if name not in drawable
    ]
    if not is_visible(wanted.inference_request_id):
        faults.append(Fault("/inference_request_id", "not-visible"))
    refuse(faults)
    pepper = request.app.state.receiving.door.intake.receiver.pepper
    model = _model_of(session, sender, wanted)
    secret, token = tokens.create(session, sender, wanted, model, utc_now(), pepper)
    session.commit()
    return {"token": secret, "path": f"/f/{secret}", "expires_at": token.expires_at, "max_uses": token.max_uses}


@router.get("/f/{token}", summary="The page that asks", response_class=Response, responses={200: PAGE, **PAGES})
def show_link(token: str, session: Reading) -> Response:
    """Stores nothing and counts nothing: mail scanners and previews open links before people do."""
    found = tokens.find(session, token)
    if found is None or not tokens.is_open(found, utc_now()):
        return _closed(found)
    return link_pages.confirm(_types_of(found), str(new_id()))


@router.post(
    "/f/{token}",
    summary="What the page sends",
    response_class=Response,
    responses={200: PAGE, **PAGES, **openapi.answers(400, 408, 413, 415), **SENT_PAGES},
    openapi_extra={"requestBody": {"content": {FORM: {"schema": {"type": "object"}}}}},
)
async def send_link(token: str, request: Request) -> Response:
    """Stores one feedback and counts one use; the same form sent twice is one feedback. The secret is the protection
    against forged requests: a page that does not know it cannot send it."""
    _, raw = await raw_body(request, FORM)
    database = request.app.state.receiving.database
    with Session(database.engine) as session:
        found = await asyncio.to_thread(tokens.find, session, token)
        if found is None:
            return _closed(found)
        given = _read_form(raw)
        kind = _types_of(found).get(given.get("feedback_type", ""))
        if kind is None:
            return link_pages.confirm(_types_of(found), str(new_id()), 422, "That could not be read. Please try again.")
        event = _event(found, kind, given)
        return await _store(request, session, found, event)


async def _store(request: Request, session: Session, token: FeedbackToken, event: dict[str, Any]) -> Response:
    """Takes a use, stores the event, and gives the use back where nothing was stored."""
    intake, now = request.app.state.receiving.door.intake, utc_now()
    thanks = link_pages.message("Thank you", "Your feedback was received.", 200)
    known = await asyncio.to_thread(session.get, EventKey, (token.project_id, "feedback", event["feedback_id"]))
    if known is not None:
        return thanks
    if not await asyncio.to_thread(tokens.take_use, session, token, now):
        return _closed(token)
    error: FeedbackError | None
    try:
        [verdict] = await intake.take(FEEDBACK, [orjson.dumps(event)], tokens.sender_of(token), now)
        error, is_new = verdict.error, verdict.status == "accepted"
    except FeedbackError as failed:
        error, is_new = failed, False
    if not is_new:
        await asyncio.to_thread(tokens.give_back, session, token)
    if error is None or isinstance(error, FeedbackIdConflict):
        return thanks
    if isinstance(error, Refused):
        return link_pages.confirm(_types_of(token), str(new_id()), 422, "Please fill in the form and send it again.")
    return link_pages.message("Not yet", "It could not be stored. Please send it again.", 503, **{"retry-after": "1"})


def _event(token: FeedbackToken, kind: type[FeedbackValue], given: dict[str, str]) -> dict[str, Any]:
    named = {"model_name": token.model_name} if token.model_name else {}
    return named | {
        "feedback_id": tokens.feedback_id_of(token, given.get("form") or str(new_id())),
        "inference_request_id": token.inference_request_id,
        "model_version": token.model_version,
        "feedback_type": kind.feedback_type,
        "feedback_value": link_pages.value_of(kind, given),
        "source": {"kind": "end_user"},
    }


def _read_form(raw: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=16))
    except ValueError:
        return {}


def _closed(token: FeedbackToken | None) -> Response:
    if token is None:
        return link_pages.message("No such link", "This link does not lead anywhere. Was it copied whole?", 404)
    return link_pages.message("This link is closed", "It was used already, or its time is over. Thank you.", 410)


def _drawable() -> dict[str, type[FeedbackValue]]:
    return {name: kind for name, kind in collect().items() if kind.widget["kind"] in link_pages.DRAWN}


def _types_of(token: FeedbackToken) -> dict[str, type[FeedbackValue]]:
    return {name: kind for name, kind in _drawable().items() if name in token.feedback_types}


def _model_of(session: Session, sender: Sender, wanted: tokens.NewToken) -> tuple[str | None, str]:
    """The model the feedback will name: as asked for, else as the inference was logged; raises ValidationFailed."""
    name = None if wanted.model_name is msgspec.UNSET else wanted.model_name
    if wanted.model_version is not msgspec.UNSET:
        return name, wanted.model_version
    known = session.get(EventKey, (sender.project_id, "inference", wanted.inference_request_id))
    if known is None:
        raise ValidationFailed(faults=(Fault("/model_version", "required"),))
    logged = log.at(session, [known.log_offset])[known.log_offset].body
    return name or logged.get("model_name"), logged["model_version"]
