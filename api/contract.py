"""The contract as data: the feedback types and their schemas, and the metrics a project may name."""

import hashlib
from typing import Annotated, Any

import msgspec
import orjson
from fastapi import APIRouter, Query, Request, Response, Security

from api import openapi
from api.access import AdminKey, Reading, decider_of, key
from api.json_bodies import body, described
from feedback_ingest.clock import utc_now
from feedback_ingest.doors.metrics import NewMetric, every_metric, register, shown
from feedback_ingest.errors import NotFound
from feedback_ingest.feedback_types import collect
from feedback_ingest.receive import Sender, refuse
from feedback_ingest.schema_versions import published, reads_as, versions
from feedback_loop.learning import metrics
from feedback_loop.learning.metrics import KINDS, meaning_of

router = APIRouter(tags=["contract"])
CACHED = {"cache-control": "private, max-age=60", "vary": "Authorization"}


AnyKey = Annotated[Sender, Security(key, scopes=["ingest", "ingest:public", "read", "review"])]


@router.get(
    "/v1/feedback-types",
    summary="Every feedback type: its schema, meaning, widget and examples",
    responses=openapi.answers(401, 403, 422, 503) | openapi.NOT_MODIFIED,
)
def show_types(request: Request, response: Response, sender: AnyKey) -> Response:
    """What clients and widgets are drawn from; it changes only with the program, so it may be cached by its ETag."""
    types = [
        {
            "name": name,
            "version": kind.version,
            "versions": versions(kind),
            "reads_as": reads_as(kind),
            "metric": kind.metric,
            "widget": kind.widget,
            "examples": kind.examples,
            "schema": published(kind, kind.version),
        }
        for name, kind in collect().items()
    ]
    return _cacheable(request, response, {"feedback_types": types}, "application/json")


@router.get(
    "/v1/schemas/{feedback_type}",
    summary="The JSON Schema of one feedback type's value",
    responses=openapi.answers(401, 403, 404, 422, 503) | openapi.NOT_MODIFIED,
)
def show_schema(
    feedback_type: str,
    request: Request,
    response: Response,
    sender: AnyKey,
    version: Annotated[str | None, Query()] = None,
) -> Response:
    """The newest version unless another one is asked for; 404 where there is no such type or version."""
    kind = collect().get(feedback_type)
    if kind is None or kind.shape_of(version) is None:
        raise NotFound()
    return _cacheable(request, response, published(kind, version or kind.version), "application/schema+json")


@router.get(
    "/v1/metrics",
    summary="The metrics an event of this project may name",
    responses=openapi.answers(401, 403, 422, 503),
)
def show_metrics(sender: AnyKey, session: Reading) -> dict[str, Any]:
    """The built-in ones and those the project registered, each with what it counts and what silence means in it."""
    return {"metrics": [_explained(one) for one in shown(every_metric(session, sender.project_id))]}


@router.post(
    "/v1/metrics",
    status_code=201,
    summary="Register a metric, or change one",
    openapi_extra=described(NewMetric),
    responses=openapi.answers(400, 401, 403, 408, 413, 415, 422, 503) | openapi.CHANGED,
)
def register_metric(
    request: Request, response: Response, sender: AdminKey, session: Reading, metric: Annotated[Any, body(NewMetric)]
) -> dict[str, Any]:
    """Events may name it at once here, and within five seconds at every other process."""
    refuse(metric.faults())
    is_new = register(session, sender.project_id, metric, utc_now())
    decider_of(request, sender).record(
        session, sender.project_id, "metric_registered", metric.metric, utc_now(), metric=msgspec.to_builtins(metric)
    )
    session.commit()
    receiving = request.app.state.receiving
    receiving.metrics.refresh(receiving.database)
    response.status_code = 201 if is_new else 200
    known = shown(every_metric(session, sender.project_id))
    return _explained(next(one for one in known if one["metric"] == metric.metric))


def _explained(metric: dict[str, Any]) -> dict[str, Any]:
    made = KINDS.get(metric["kind"]) or metrics.collect().get(metric["metric"])
    return metric if made is None else {**metric, **meaning_of(made)}


def _cacheable(request: Request, told: Response, value: dict[str, Any], media: str) -> Response:
    body = orjson.dumps(value)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**CACHED, "etag": tag, **told.headers}
    asked = request.headers.get("if-none-match", "")
    if tag in (part.strip().removeprefix("W/") for part in asked.split(",")) or asked.strip() == "*":
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media, headers=headers)
