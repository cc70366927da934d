"""Webhooks over HTTP: where a project is told of what, with which secrets, and how each delivery went."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from msgspec import Meta

from api.access import AdminKey, Reading, decider_of
from api.json_bodies import Body, body, described
from feedback_ingest.clock import utc_now
from feedback_ingest.errors import Fault, ValidationFailed
from feedback_ingest.settings import Settings
from feedback_loop.learning.notices import EVENT_TYPES, EVERY
from feedback_loop.stream.webhooks.deliveries import STATES, attempts_of, page
from feedback_loop.stream.webhooks.endpoints import Endpoints
from feedback_loop.stream.webhooks.sealing import Sealer
from feedback_loop.stream.webhooks.tables import WebhookAttempt, WebhookEndpoint, WebhookMessage
from feedback_loop.stream.webhooks.targets import LONGEST_URL, Allowed, Target, TargetRefused, checked, parse
from feedback_loop.stream.webhooks.targets import system_resolve as resolve

router = APIRouter(tags=["webhooks"])
PAGE = 100
Url = Annotated[str, Meta(min_length=1, max_length=LONGEST_URL)]
EventTypes = Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(min_length=1, max_length=len(EVENT_TYPES) + 1)]
Description = Annotated[str, Meta(max_length=1_000)]


class NewWebhook(Body):
    """An endpoint to be made; `event_types` are those of GET /v1/webhooks/event-types, or `*` for all of them.

    `standard` sends signed JSON as Standard Webhooks has it, `slack` sends one line of text as Slack takes it.
    """

    url: Url
    event_types: EventTypes
    format: Literal["standard", "slack"] = "standard"
    description: Description = ""


class WebhookChange(Body):
    """What is to change; what is left out stays."""

    url: Url | None = None
    event_types: EventTypes | None = None
    description: Description | None = None
    enabled: bool | None = None


class SecretRotation(Body):
    """How long messages are signed with the old secret too; a day by default, thirty at most."""

    overlap_s: Annotated[int, Meta(ge=0, le=2_592_000)] = 86_400


def endpoints_of(sender: AdminKey, request: Request, session: Reading) -> Endpoints:
    """The endpoints of the key's own project, and the key as the one who decides about them."""
    decider = decider_of(request, sender)
    return Endpoints(session, Sealer(decider.pepper), decider, sender.project_id, utc_now())


Mine = Annotated[Endpoints, Depends(endpoints_of)]


@router.get("/v1/webhooks/event-types", summary="What an endpoint may be told of")
def list_event_types(sender: AdminKey) -> dict[str, Any]:
    """Every type; those of rooms that a project does not use never come."""
    return {"event_types": list(EVENT_TYPES)}


@router.get("/v1/webhooks", summary="The project's webhook endpoints, without their secrets")
def list_webhooks(sender: AdminKey, mine: Mine) -> dict[str, Any]:
    """Oldest first, disabled ones too, with why they are."""
    return {"webhooks": [_shown(mine, endpoint) for endpoint in mine.every()]}


@router.post("/v1/webhooks", status_code=201, summary="Make a webhook endpoint", openapi_extra=described(NewWebhook))
def create_webhook(
    sender: AdminKey, request: Request, mine: Mine, wanted: Annotated[NewWebhook, body(NewWebhook)]
) -> dict[str, Any]:
    """The endpoint; its secret is told this once. A URL that leads to a private address is refused."""
    _refuse_unknown(wanted.event_types)
    target = _target(wanted.url, request)
    endpoint, secret = mine.create(target, wanted.event_types, wanted.format, wanted.description)
    answer = {**_shown(mine, endpoint), "secret": secret}
    mine.session.commit()
    return answer


@router.get("/v1/webhooks/{webhook_id}", summary="One webhook endpoint")
def show_webhook(webhook_id: str, sender: AdminKey, mine: Mine) -> dict[str, Any]:
    """How it is doing too: failures in a row and since when, and until when it is left in peace."""
    return _shown(mine, mine.find(webhook_id))


@router.patch("/v1/webhooks/{webhook_id}", summary="Change a webhook endpoint", openapi_extra=described(WebhookChange))
def change_webhook(
    webhook_id: str, sender: AdminKey, request: Request, mine: Mine,
    wanted: Annotated[WebhookChange, body(WebhookChange)],
) -> dict[str, Any]:  # fmt: skip
    """Enabling one that was disabled delivers what still waits for it."""
    endpoint = mine.find(webhook_id)
    _refuse_unknown(wanted.event_types or ())
    target = _target(wanted.url, request) if wanted.url is not None else None
    mine.change(endpoint, target, wanted.event_types, wanted.description, wanted.enabled)
    answer = _shown(mine, endpoint)
    mine.session.commit()
    return answer


@router.delete("/v1/webhooks/{webhook_id}", status_code=204, summary="End a webhook endpoint")
def delete_webhook(webhook_id: str, sender: AdminKey, mine: Mine) -> Response:
    """With its secrets, and with all that still waits for it."""
    mine.end(mine.find(webhook_id))
    mine.session.commit()
    return Response(status_code=204)


@router.post(
    "/v1/webhooks/{webhook_id}/rotate",
    status_code=201,
    summary="Give an endpoint a new secret",
    openapi_extra=described(SecretRotation),
)
def rotate_secret(
    webhook_id: str, sender: AdminKey, mine: Mine, wanted: Annotated[SecretRotation, body(SecretRotation)]
) -> dict[str, Any]:
    """Told this once; messages carry a signature by the old one too for `overlap_s` more."""
    endpoint = mine.find(webhook_id)
    secret = mine.rotate(endpoint, timedelta(seconds=wanted.overlap_s))
    answer = {**_shown(mine, endpoint), "secret": secret}
    mine.session.commit()
    return answer


@router.get("/v1/webhooks/{webhook_id}/deliveries", summary="What an endpoint was sent, newest first")
def list_deliveries(
    webhook_id: str, sender: AdminKey, mine: Mine, state: str | None = None, cursor: str | None = None
) -> dict[str, Any]:
    """A hundred a page, each with its attempts; what the receiver answered beyond a status is not shown."""
    if state is not None and state not in STATES:
        raise ValidationFailed(faults=(Fault("/state", "not-allowed"),))
    found = page(mine.session, mine.find(webhook_id).endpoint_id, state, cursor, PAGE)
    following = found[-1][0].message_id if len(found) == PAGE else None
    return {"deliveries": [_delivery(*one) for one in found], "next_cursor": following}


@router.post("/v1/webhooks/{webhook_id}/deliveries/{message_id}/redeliver", summary="Send a message again")
def redeliver(webhook_id: str, message_id: str, sender: AdminKey, mine: Mine) -> dict[str, Any]:
    """At once and under the same webhook-id, whatever became of it before."""
    endpoint = mine.find(webhook_id)
    message = mine.redeliver(endpoint, message_id)
    answer = _delivery(message, attempts_of(mine.session, endpoint.endpoint_id, [message_id])[message_id])
    mine.session.commit()
    return answer


def _target(url: str, request: Request) -> Target:
    """Where `url` leads; why it may not is told by a code that says nothing of our network."""
    settings: Settings = request.app.state.receiving.door.settings
    allowed = Allowed.read(settings.webhook_allow)
    try:
        target = parse(url, allowed)
    except TargetRefused:
        raise ValidationFailed(faults=(Fault("/url", "bad-format"),)) from None
    try:
        if settings.egress_proxy is None or target.address is not None:
            checked(target, allowed, resolve)
    except TargetRefused:
        raise ValidationFailed(faults=(Fault("/url", "not-allowed"),)) from None
    return target


def _refuse_unknown(event_types: Iterable[str]) -> None:
    known = {*EVENT_TYPES, EVERY}
    faults = [Fault(f"/event_types/{n}", "not-allowed") for n, name in enumerate(event_types) if name not in known]
    if faults:
        raise ValidationFailed(faults=tuple(faults))


def _shown(mine: Endpoints, endpoint: WebhookEndpoint) -> dict[str, Any]:
    told: dict[str, Any] = endpoint.model_dump(exclude={"endpoint_id", "project_id", "sealed_url", "host"})
    return {"id": endpoint.endpoint_id, "url": mine.url(endpoint), "enabled": endpoint.disabled_at is None, **told}


def _delivery(message: WebhookMessage, attempts: list[WebhookAttempt]) -> dict[str, Any]:
    told: dict[str, Any] = message.model_dump(include={"event_type", "state", "created_at", "ended_at"})
    shown = {"number", "attempted_at", "duration_ms", "status", "error"}
    return {
        "id": message.message_id,
        **told,
        "next_attempt_at": message.due_at if message.state == "waiting" else None,
        "attempts": [attempt.model_dump(include=shown) for attempt in attempts],
    }
