"""How the loop is doing over HTTP: one look, or a stream of looks that pages live by; shared by all who watch."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi, sse
from api.access import ReadKey
from api.looking import look
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.postgres import Database
from feedback_loop.stream.overview import Overview

router = APIRouter(tags=["loop"])
EVERY_S = 1.0
FORGOTTEN_S = 900.0


class Watched:
    """One project as somebody watches it: looked at once a second at most, however many watch."""

    def __init__(self, project_id: int) -> None:
        self._overview = Overview(project_id)
        self._lock = asyncio.Lock()
        self._told: dict[str, Any] = {}
        self.looked_s = -EVERY_S

    async def now(self, database: Database) -> dict[str, Any]:
        """What is to be told, at most a second old; raises StorageUnavailable."""
        async with self._lock:
            if monotonic_s() - self.looked_s >= EVERY_S:
                self._told = await look(database, partial(self._overview.look, now=utc_now()))
                self.looked_s = monotonic_s()
            return self._told


@router.get("/v1/status", summary="How the loop is doing now", responses=openapi.answers(401, 403, 503))
async def show_status(request: Request, sender: ReadKey) -> dict[str, Any]:
    """What came in during the last quarter of an hour, how far the stream is behind, what waits, what was decided.

    Counts of what waits end at 10,000. `head`, `lag` and the stream's consumers are those of the whole log.
    """
    return await _watched(request, sender.project_id).now(request.app.state.receiving.database)


@router.get(
    "/v1/status/stream",
    summary="The same as server-sent events, when something changes",
    response_class=Response,
    responses=sse.RESPONSES | openapi.answers(401, 403, 503),
)
async def stream_status(request: Request, sender: ReadKey) -> Response:
    """At most one a second, and one in five seconds where nothing changes."""
    return sse.stream(request, _changes(request, sender.project_id))


async def _changes(request: Request, project_id: int) -> AsyncIterator[bytes]:
    database, wakeups = request.app.state.receiving.database, request.app.state.wakeups
    seen, told_s = b"", 0.0
    while True:
        await request.scope["ask_again"]()
        told = await _watched(request, project_id).now(database)
        what = orjson.dumps({**told, "at": None}, option=orjson.OPT_UTC_Z)
        if what != seen or monotonic_s() - told_s >= sse.HEARTBEAT_S:
            seen, told_s = what, monotonic_s()
            yield sse.event(orjson.dumps(told, option=orjson.OPT_UTC_Z).decode())
        await asyncio.sleep(EVERY_S)
        if wakeups.closing.is_set():
            return


def _watched(request: Request, project_id: int) -> Watched:
    """The project, remembered while it is watched."""
    state = request.app.state
    if not hasattr(state, "watched"):
        state.watched = {}
    known: dict[int, Watched] = state.watched
    for name in [name for name, one in known.items() if monotonic_s() - one.looked_s > FORGOTTEN_S]:
        del known[name]
    return known.setdefault(project_id, Watched(project_id))
