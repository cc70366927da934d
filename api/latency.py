"""Loop latency over HTTP: how long feedback takes from stage to stage, whether that is met, and what is stuck."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlmodel import Session

from api.access import Reading, ReadKey
from feedback_ingest.clock import utc_now
from feedback_ingest.settings import Settings
from feedback_loop.learning import latency
from feedback_loop.learning.stuck import Waiting, stuck
from feedback_loop.stream.journeys import datasets, journeys
from feedback_loop.stream.waiting import Looking

router = APIRouter(tags=["loop"])
HOUR_S = 3_600
WEEK_S = 7 * 24 * HOUR_S


@router.get("/v1/latency", summary="How long feedback takes through the loop, and what is stuck in it")
def show_latency(
    sender: ReadKey,
    session: Reading,
    request: Request,
    window_s: Annotated[int, Query(ge=1, le=WEEK_S)] = HOUR_S,
    model_name: Annotated[str | None, Query(max_length=256)] = None,
) -> dict[str, Any]:
    """Of feedback that came to the training queue in the last `window_s` seconds: p50, p95 and p99 of each stage.

    Stages: received, durable, attributed, enriched, queued, in_dataset, trained, serving; each from the one before, the
    first from when it occurred. Over 10,000 feedback a sample from all of the window; `is_sample` says so.
    """
    return told(session, request.app.state.receiving.door.settings, sender.project_id, window_s, model_name)


def told(
    session: Session, settings: Settings, project_id: int, window_s: int, model_name: str | None
) -> dict[str, Any]:
    """What `show_latency` answers."""
    now = utc_now()
    objectives = dict(latency.OBJECTIVES_S) | {**settings.latency_objectives_s}
    known = datasets(session, project_id)
    found, is_sample = journeys(session, project_id, now, timedelta(seconds=window_s), model_name)
    timed = [(one, latency.times(one, known, settings.golden_share)) for one in found]
    waiting = Looking(session, project_id, now, objectives).waiting(known)
    groups = latency.by_model_and_metric(timed, objectives)
    return {
        "until": now,
        "window_s": window_s,
        "events": len(found),
        "is_sample": is_sample,
        "stages": [one._asdict() for one in latency.latencies((moments for _, moments in timed), objectives)],
        "models": [{**one._asdict(), "stages": [stage._asdict() for stage in one.stages]} for one in groups],
        "stuck": [_told(one) for one in stuck(waiting, now, objectives)],
    }


def _told(one: Waiting) -> dict[str, Any]:
    return {"feedback_ids" if name == "names" else name: value for name, value in one._asdict().items()}
