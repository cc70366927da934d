"""Server-Sent Events: a stream of a route's own, bounded in number, kept alive, ended with its key, client or server.

FastAPI writes the lines; `text/event-stream` is read by `EventSource` and by `curl -N` alike.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

from fastapi import Request
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from api.wakeups import Wakeups
from feedback_ingest.clock import monotonic_s
from feedback_ingest.errors import Fault, FeedbackError, Overloaded, ValidationFailed

RETRY_MS = 1_000
HEARTBEAT_S = 5.0
"""A comment after so much silence; a key that was revoked is noticed as soon."""
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no", "x-content-type-options": "nosniff"}

RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events until the client leaves.", "content": {"text/event-stream": {}}}
}
"""`responses` of a route that answers with a stream, beside `response_class=Response`: FastAPI's is for generators."""


def stream(request: Request, events: AsyncIterator[bytes]) -> EventSourceResponse:
    """An answer that sends each of `events` (see `event`) as it comes, for a route with a key of api.access.

    A FeedbackError that `events` raises ends the stream, and the client comes again by itself, with Last-Event-ID.
    Raises Overloaded where as many streams are open as may be, or the server is about to stop.
    """
    wakeups, settings = request.app.state.wakeups, request.app.state.receiving.door.settings
    if not wakeups.has_room(settings.max_streams):
        raise Overloaded("No more streams can be opened here now; come again as Retry-After says.")
    return EventSourceResponse(_counted(request, wakeups, events), headers=HEADERS)


def event(data: str, id: object = None, name: str | None = None) -> bytes:
    """One event as it is sent: `data` is JSON text, `id` comes back as Last-Event-ID, `name` is its type."""
    return format_sse_event(data_str=data, id=None if id is None else str(id), event=name)


def last_event_id(request: Request) -> int | None:
    """The number that a client which comes again saw last, None at its first time; raises ValidationFailed."""
    told = request.headers.get("last-event-id")
    if not told:
        return None
    if not (told.isascii() and told.isdigit() and len(told) < 19):
        raise ValidationFailed(faults=(Fault("/Last-Event-ID", "bad-format"),))
    return int(told)


async def _counted(request: Request, wakeups: Wakeups, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with wakeups.waiting(), suppress(FeedbackError):
        async with aclosing(_alive(request, wakeups, events)) as told:
            async for chunk in told:
                yield chunk


async def _alive(request: Request, wakeups: Wakeups, events: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """`events` one by one, as the client takes them; in silence a comment, so that whoever is gone is found out."""
    yield format_sse_event(retry=RETRY_MS)
    closing = asyncio.ensure_future(wakeups.closing.wait())
    coming = asyncio.ensure_future(anext(events, None))
    asked_s = monotonic_s()
    try:
        while True:
            await asyncio.wait((coming, closing), timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
            if closing.done():
                return
            if monotonic_s() - asked_s >= HEARTBEAT_S:
                await request.scope["ask_again"]()
                asked_s = monotonic_s()
            if not coming.done():
                yield KEEPALIVE_COMMENT
                continue
            chunk = coming.result()
            if chunk is None:
                return
            yield chunk
            coming = asyncio.ensure_future(anext(events, None))
    finally:
        closing.cancel()
        coming.cancel()
