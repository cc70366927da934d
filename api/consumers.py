"""Named consumers over HTTP: where each reader outside stands in the log, how far behind, and how it is moved."""

from typing import Annotated, Any

from fastapi import APIRouter, Response
from msgspec import Meta
from sqlmodel import Session

from api import openapi
from api.access import Reading, ReadKey
from api.json_bodies import Body, body, described
from feedback_ingest.clock import utc_now
from feedback_ingest.doors import consumers
from feedback_ingest.doors.tables import NamedConsumer
from feedback_ingest.errors import Fault, ValidationFailed
from feedback_ingest.log import head
from feedback_ingest.project_log import first_offset

router = APIRouter(tags=["log"])
Offset = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Place(Body, rename={"start": "from"}):
    """The last offset processed, or a start as GET /v1/log takes it; `expected` is the offset it stands at now."""

    offset: Offset | None = None
    start: Annotated[str, Meta(max_length=128)] | None = None
    expected: Offset | None = None


@router.get("/v1/consumers", summary="The project's named consumers", responses=openapi.answers(401, 403, 503))
def list_consumers(sender: ReadKey, session: Reading) -> dict[str, Any]:
    """By name; a consumer is made by its first commit."""
    found, last = consumers.every(session, sender.project_id), head(session)
    return {"consumers": [_shown(consumer, last) for consumer in found]}


@router.get(
    "/v1/consumers/{name}",
    summary="Where a named consumer stands, and how far behind",
    responses=openapi.answers(401, 403, 404, 503),
)
def show_consumer(name: str, sender: ReadKey, session: Reading) -> dict[str, Any]:
    """`offset` is the last one it processed; `lag` counts the offsets after it, those of other projects too."""
    return _shown(consumers.find(session, sender.project_id, name), head(session))


@router.put(
    "/v1/consumers/{name}",
    summary="Commit an offset, or move the consumer elsewhere",
    openapi_extra=described(Place),
    responses=openapi.NEW | openapi.answers(400, 401, 403, 408, 413, 415, 422, 503),
)
def commit(
    name: str, response: Response, sender: ReadKey, session: Reading, place: Annotated[Place, body(Place)]
) -> dict[str, Any]:
    """Forward is always allowed; to go back, say in `expected` where it stands. Another place there is 422."""
    offset = _offset(session, sender.project_id, place)
    is_new = consumers.commit(session, sender.project_id, name, offset, place.expected, utc_now())
    told = _shown(consumers.find(session, sender.project_id, name), head(session))
    session.commit()
    response.status_code = 201 if is_new else 200
    return told


@router.delete(
    "/v1/consumers/{name}",
    status_code=204,
    summary="Forget a named consumer",
    responses=openapi.answers(401, 403, 404, 503),
)
def forget(name: str, sender: ReadKey, session: Reading) -> None:
    """Its events stay; a commit under the name makes it anew."""
    consumers.forget(session, sender.project_id, name)
    session.commit()


def _offset(session: Session, project_id: int, place: Place) -> int:
    if (place.offset is None) == (place.start is None):
        raise ValidationFailed(faults=(Fault("/offset", "required"),))
    if place.offset is not None:
        return place.offset
    return first_offset(session, project_id, place.start or "", utc_now()) - 1


def _shown(consumer: NamedConsumer, last: int) -> dict[str, Any]:
    place = {"offset": consumer.log_offset, "next_offset": consumer.log_offset + 1}
    lag = {"lag": max(0, last - consumer.log_offset), "head": last}
    return {"name": consumer.name, **place, **lag, "made_at": consumer.made_at, "moved_at": consumer.moved_at}
