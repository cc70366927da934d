"""The log over HTTP: a page of it, waiting for the next event if asked to, or all that comes as an event stream."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api import openapi, sse
from api.access import ReadKey
from api.looking import look
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.log import head
from feedback_ingest.project_log import Page, Part, RawRow, first_offset, page, part_of
from feedback_ingest.receive import Sender

router = APIRouter(tags=["log"])
MAX_EVENTS = 1_000
MAX_WAIT_MS = 60_000
PAGE_BYTES = 4_194_304
"""Bytes of bodies after which a page ends."""
STREAM_PIECE = 100
STREAM_BYTES = 262_144
WAIT_S = 60.0
START = "earliest, latest, offset:N (inclusive), ts:RFC3339, last:24h, or consumer:NAME"

Start = Annotated[str, Query(alias="from", max_length=128, description=START)]
Kinds = Annotated[list[str], Query(description="Kinds of facts; decisions of people need the scope admin.")]


@router.get(
    "/v1/log",
    summary="A page of the log, in order of offsets",
    response_class=Response,
    responses=openapi.LOG_PAGE | openapi.answers(401, 403, 422, 503),
)
async def read_log(
    request: Request,
    sender: ReadKey,
    start: Start = "earliest",
    limit: Annotated[int, Query(ge=1, le=MAX_EVENTS)] = 100,
    wait_ms: Annotated[int, Query(ge=0, le=MAX_WAIT_MS, description="How long to wait for a first event.")] = 0,
    kinds: Kinds = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """The project's own events; read on from `offset:<next_offset>`. Offsets between belong to others."""
    database, until_s = request.app.state.receiving.database, monotonic_s() + wait_ms / 1000
    part = part_of(sender, kinds)
    reading = partial(page, part=part, limit=limit, max_bytes=PAGE_BYTES)
    after = await look(database, _start(sender, start)) - 1
    newest = await look(database, head)  # asked anew: who stored something a moment ago reads it
    found = await look(database, partial(reading, after=after, newest=newest))
    if not found.rows and wait_ms:
        found, newest = await _waited(request, reading, found, newest, until_s)
    told = {"events": [_shown(row) for row in found.rows], "next_offset": found.next_offset, "head": newest}
    return Response(orjson.dumps(told, option=orjson.OPT_UTC_Z), media_type="application/json")


@router.get(
    "/v1/log/stream",
    summary="The log as server-sent events, from a start and on with what comes",
    response_class=Response,
    responses=sse.RESPONSES | openapi.answers(401, 403, 422, 503),
)
async def stream_log(
    request: Request,
    sender: ReadKey,
    start: Start = "earliest",
    kinds: Kinds = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Each event's id is its offset: a client that comes again with Last-Event-ID goes on behind it."""
    part, seen = part_of(sender, kinds), sse.last_event_id(request)
    after = seen if seen is not None else await look(request.app.state.receiving.database, _start(sender, start)) - 1
    return sse.stream(request, _events(request, part, after))


async def _waited(
    request: Request, reading: Callable[..., Page], found: Page, newest: int, until_s: float
) -> tuple[Page, int]:
    """The page once there is something for it, and the newest offset; at once where as many wait as may."""
    database, wakeups = request.app.state.receiving.database, request.app.state.wakeups
    if not wakeups.has_room(request.app.state.receiving.door.settings.max_streams):
        return found, newest
    with wakeups.waiting():
        while not found.rows and not wakeups.closing.is_set() and (left_s := until_s - monotonic_s()) > 0:
            newest = await wakeups.beyond(found.next_offset - 1, left_s)
            found = await look(database, partial(reading, after=found.next_offset - 1, newest=newest))
    return found, newest


async def _events(request: Request, part: Part, after: int) -> AsyncIterator[bytes]:
    database, wakeups = request.app.state.receiving.database, request.app.state.wakeups
    reading = partial(page, part=part, limit=STREAM_PIECE, max_bytes=STREAM_BYTES)
    while True:
        newest = await wakeups.beyond(after, WAIT_S)
        found = await look(database, partial(reading, after=after, newest=newest))
        for row in found.rows:
            yield sse.event(orjson.dumps(_shown(row), option=orjson.OPT_UTC_Z).decode(), row.log_offset)
        after = found.next_offset - 1


def _start(sender: Sender, start: str) -> Any:
    return partial(first_offset, project_id=sender.project_id, start=start, now=utc_now())


def _shown(row: RawRow) -> dict[str, Any]:
    return {
        "offset": row.log_offset,
        "kind": row.kind,
        "id": row.id,
        "received_at": row.received_at,
        "occurred_at": row.occurred_at,
        "body": orjson.Fragment(row.body),
    }
