"""Aggregates over HTTP: metrics as series of windows, each value with its interval, and their changes as a stream."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlmodel import Session

from api import openapi, sse
from api.access import ReadKey
from api.looking import look
from feedback_ingest.errors import Fault, ValidationFailed
from feedback_ingest.names import parse_time
from feedback_loop.stream.aggregates import Aggregates, Wanted, aggregates, position

router = APIRouter(tags=["loop"])
MONTH_S = 31 * 24 * 3_600
WAIT_S = 1.0
PAUSE_S = 0.1
"""What is in the log is in the metrics some milliseconds later."""

Name = Annotated[str, Query(max_length=256)]
Optional = Annotated[str | None, Query(max_length=256)]
Seconds = Annotated[int, Query(ge=1, le=MONTH_S)]


def wanted(
    sender: ReadKey,
    model_name: Name,
    model_version: Optional = None,
    metric: Optional = None,
    segment: Annotated[str, Query(max_length=300, description="`name=value`; `name=*` for each value.")] = "",
    window: Literal["tumbling", "sliding", "session"] = "tumbling",
    window_s: Seconds = 60,
    step_s: Annotated[int, Query(ge=1, le=MONTH_S, description="Seconds between the ends of sliding windows.")] = 10,
    gap_s: Annotated[int, Query(ge=1, le=MONTH_S, description="The pause that ends a session.")] = 1_800,
    session_id: Annotated[
        str | None, Query(max_length=256, description="With window=session: one session of users, `*` for each.")
    ] = None,
    since: Annotated[str | None, Query(alias="from", max_length=64, description="RFC 3339, event time.")] = None,
    until: Annotated[str | None, Query(alias="to", max_length=64, description="RFC 3339; default: now and on.")] = None,
) -> Wanted:
    """What is asked for: by default the last sixty minutes of a model, by version and metric."""
    span = _time("/from", since), _time("/to", until)
    of_windows = window, window_s, step_s, gap_s
    return Wanted(sender.project_id, model_name, model_version, metric, segment, *of_windows, *span, session_id)


Asked = Annotated[Wanted, Depends(wanted)]


@router.get(
    "/v1/aggregates",
    summary="Metrics of a model by version and segment, as series of windows",
    response_class=Response,
    responses=openapi.AGGREGATES | openapi.answers(401, 403, 422, 503),
)
async def show_aggregates(request: Request, sender: ReadKey, asked: Asked) -> Response:
    """Each window with value, numerator, denominator, samples and a 95 % interval; of `win_rate` also the ranking."""
    offset, found = await _look(request, asked)
    return Response(_json(asked, offset, found), media_type="application/json")


@router.get(
    "/v1/aggregates/stream",
    summary="The same as server-sent events: all of it once, then each window that changed",
    response_class=Response,
    responses=sse.RESPONSES | openapi.answers(401, 403, 422, 503),
)
async def stream_aggregates(request: Request, sender: ReadKey, asked: Asked) -> Response:
    """A window that is told again replaces the one told before; one that nothing is left of has no samples."""
    first = await _look(request, asked)
    return sse.stream(request, _events(request, asked, first))


async def _look(request: Request, asked: Wanted) -> tuple[int, Aggregates]:
    receiving = request.app.state.receiving
    return await look(receiving.database, partial(_found, asked=asked, bucket_s=receiving.door.settings.bucket_s))


def _found(session: Session, asked: Wanted, bucket_s: int) -> tuple[int, Aggregates]:
    return position(session), aggregates(session, asked, bucket_s)


async def _events(request: Request, asked: Wanted, first: tuple[int, Aggregates]) -> AsyncIterator[bytes]:
    database, wakeups = request.app.state.receiving.database, request.app.state.wakeups
    offset, found = first
    yield sse.event(_json(asked, offset, found).decode(), offset, "aggregates")
    told = _by_key(found, asked.split)
    while True:
        await wakeups.beyond(offset, WAIT_S)
        await asyncio.sleep(PAUSE_S)
        if await look(database, position) == offset:
            continue
        offset, found = await _look(request, asked)
        now = _by_key(found, asked.split)
        series = _changed(told, now, found.since, asked.split)
        told = now
        if series:
            yield sse.event(_json(asked, offset, found._replace(series=series)).decode(), offset, "aggregates")


Key = tuple[str, str, str, datetime]
EMPTY = {"value": None, "numerator": 0.0, "denominator": 0.0, "samples": 0, "low": None, "high": None}


def _by_key(found: Aggregates, split: str) -> dict[Key, dict[str, Any]]:
    return {
        (each["model_version"], each["metric"], each[split], window["start"]): window
        for each in found.series
        for window in each["windows"]
    }


def _changed(
    told: Mapping[Key, dict[str, Any]], now: Mapping[Key, dict[str, Any]], since: datetime | None, split: str
) -> list[dict[str, Any]]:
    """The windows that are not as they were told, by series; one that lies before the span is only out of sight."""
    gone = {key: {**told[key], **EMPTY} for key in told if key not in now and since is not None and key[3] >= since}
    changed = gone | {key: window for key, window in now.items() if window != told.get(key)}
    series: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for key in sorted(changed):
        series.setdefault(key[:3], []).append(changed[key])
    names = ("model_version", "metric", split)
    return [{**dict(zip(names, key, strict=True)), "windows": windows} for key, windows in series.items()]


def _json(asked: Wanted, offset: int, found: Aggregates) -> bytes:
    shown = {
        "model_name": asked.model_name,
        "window": asked.window,
        "from": found.since,
        "to": found.until,
        "offset": offset,
        "metrics": found.metrics,
        "series": found.series,
        **({} if found.ranking is None else {"ranking": found.ranking}),
    }
    return orjson.dumps(shown, option=orjson.OPT_UTC_Z)


def _time(place: str, given: str | None) -> datetime | None:
    if given is None:
        return None
    moment = parse_time(given)
    if moment is None:
        raise ValidationFailed(faults=(Fault(place, "bad-format"),))
    return moment
