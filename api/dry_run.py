"""The dry run: what would become of one feedback event and where it would go; nothing is stored, nothing is held."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from sqlmodel import Session

from api import openapi
from api.receiver.bodies import JSON_TYPE, media_type
from api.receiver.options import idempotency_key, query
from api.receiver.problems import item_problem
from feedback_ingest import log
from feedback_ingest.doors.tables import RegisteredMetric
from feedback_ingest.errors import FeedbackError, FeedbackIdConflict, IdempotencyKeyReused, MalformedJson, TooDeep
from feedback_ingest.feedback_types import collect
from feedback_ingest.idempotency import feedback_id_of
from feedback_ingest.intake import FEEDBACK
from feedback_ingest.log import Item, LogRow
from feedback_ingest.policies import ProjectPolicies
from feedback_ingest.postgres import Database
from feedback_ingest.schema_versions import reads_as
from feedback_ingest.tables import EventKey
from feedback_loop.learning.attribution import attribute
from feedback_loop.learning.consistency import BREACHES, Range, Ranges, Row
from feedback_loop.learning.policies import in_force
from feedback_loop.learning.policies.validation import ValidationPolicy
from feedback_loop.learning.routes import Placed, sinks_of, taking
from feedback_loop.learning.rows import feedback_row, inference_row
from feedback_loop.stream.routing.book import ProjectRoutes

router = APIRouter(tags=["ingest"])


@router.post(
    "/v1/feedback/validate",
    summary="Dry run: what would become of this event",
    openapi_extra=openapi.event_body(),
    responses=openapi.answers(400, 401, 403, 408, 413, 415, 422, 429, 503),
)
async def validate(request: Request) -> Response:
    """200 whatever the verdict is: accepted, duplicate, conflict or refused, with the status POST would answer."""
    receiving, scope = request.app.state.receiving, dict(request.scope)
    sender = await receiving.door.enter(FEEDBACK, scope)
    media_type(scope, JSON_TYPE)
    query(scope)
    key = idempotency_key(scope)
    raw = await receiving.door.body(scope, request.receive)
    name = None if key is None else feedback_id_of(sender.project_id, key, 0)
    looked = receiving.door.intake.look(FEEDBACK, raw, sender, receiving.door.now(), name)
    if isinstance(looked, MalformedJson | TooDeep):
        raise looked
    if isinstance(looked, FeedbackError):
        told = _refused(looked)
    else:
        told = await asyncio.to_thread(_would_be, receiving.database, looked, key is not None)
    return Response(orjson.dumps(told, option=orjson.OPT_UTC_Z), media_type=JSON_TYPE)


def _refused(error: FeedbackError) -> dict[str, Any]:
    problem = item_problem(error)
    return {"verdict": problem.pop("status"), "status": error.status, **problem}


def _would_be(database: Database, item: Item, by_key: bool) -> dict[str, Any]:
    with Session(database.engine) as session:
        known = session.get(EventKey, (item.project_id, "feedback", item.id))
        if known is not None and known.fingerprint != item.fingerprint:
            conflict = IdempotencyKeyReused() if by_key else FeedbackIdConflict()
            return _refused(conflict) | {"verdict": "conflict", "feedback_id": item.id}
        inference = _inference_of(session, item)
        placed = ProjectRoutes(session, item.project_id).placed()
        policy, ranges = _decided(session, item)
    verdict, status = ("accepted", 201) if known is None else ("duplicate", 200)
    row = _row(item, known.log_offset if known else sys.maxsize)
    answered = inference_row(inference) if inference else None
    goes_to = _goes_to(row, answered, placed, _breaks(row, answered, policy, ranges))
    return {"verdict": verdict, "status": status, "feedback_id": item.id, "goes_to": goes_to}


def _decided(session: Session, item: Item) -> tuple[ValidationPolicy, Ranges]:
    """What the project demands of feedback, and the range of the metric that this one names."""
    fact = ProjectPolicies(session, item.project_id).newest(ValidationPolicy.name)
    policy = in_force([fact] if fact else [], ValidationPolicy).get(item.project_id, ValidationPolicy())
    own = session.get(RegisteredMetric, (item.project_id, orjson.loads(item.body).get("metric", "")))
    return policy, {(item.project_id, own.slug): Range(own.low, own.high)} if own else {}


def _breaks(row: Row, inference: Row | None, policy: ValidationPolicy, ranges: Ranges) -> list[dict[str, str]]:
    levels = policy.as_data()
    broken = (name for name, is_broken in BREACHES.items() if is_broken(row, inference, ranges))
    return [{"rule": name, "level": levels[name]} for name in broken if levels[name] != "off"]


def _inference_of(session: Session, item: Item) -> LogRow | None:
    name = orjson.loads(item.body)["inference_request_id"]
    key = session.get(EventKey, (item.project_id, "inference", name))
    return log.at(session, [key.log_offset])[key.log_offset] if key else None


def _row(item: Item, offset: int) -> Row:
    """The event as the row it would be at that offset."""
    body = orjson.loads(item.body)
    row = feedback_row(LogRow(offset, item.project_id, "feedback", item.id, item.occurred_at, item.received_at, body))
    assert row is not None, "an item of kind feedback is a feedback row"
    return row


def _goes_to(row: Row, inference: Row | None, placed: Sequence[Placed], breaks: list[dict[str, str]]) -> dict[str, Any]:
    """What would be made of the event, by what is known now."""
    link = attribute(row, inference)
    is_blocked = any(each["level"] == "block" for each in breaks)
    if link.state == "attributed" and is_blocked:
        link = link._replace(state="held")
    attribution: dict[str, Any] = {"state": link.state, "inference_known": inference is not None}
    if inference is not None:
        attribution |= {"inference_offset": link.inference_offset, "model_name": link.model_name}
    reads = reads_as(collect()[row["feedback_type"]])
    taken = taking({**row, **link._asdict()}, placed)
    return {
        "metric": row["metric"],
        "reads_as": reads,
        "attribution": attribution,
        "routes": sorted(route.route_id for route in taken),
        "sinks": sorted(sinks_of(taken)),
        "held": is_blocked or any(route.hold for route in taken),
        "breaks": breaks,
    }
