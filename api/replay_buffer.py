"""The replay buffer over HTTP: transitions drawn from the newest snapshot, the same ones for the same seed."""

from functools import cache
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Request, Response
from msgspec import Meta

from api import openapi
from api.access import ReadKey
from api.json_bodies import Body, body, described
from feedback_ingest.errors import NotFound
from feedback_loop.registry.replay_snapshots import ReplaySnapshots, Snapshot

router = APIRouter(tags=["loop"])
SHOWN = (
    "inference_request_id", "model_version", "episode", "step", "occurred_at", "answer_text", "propensity", "reward",
    "is_last", "stratum",
)  # fmt: skip


class Wanted(Body):
    """What is drawn, and how; `alpha` and `beta` are those of prioritised replay."""

    model_name: Annotated[str, Meta(min_length=1, max_length=256)]
    buffer: Literal["fifo", "uniform", "prioritised", "stratified_reservoir"] = "uniform"
    count: Annotated[int, Meta(ge=1, le=4_096)] = 256
    seed: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    steps: Annotated[int, Meta(ge=1, le=100)] = 1
    gamma: Annotated[float, Meta(ge=0, le=1)] = 0.99
    alpha: Annotated[float, Meta(ge=0, le=10)] = 0.6
    beta: Annotated[float, Meta(ge=0, le=1)] = 1.0


@router.post(
    "/v1/replay-buffer/sample",
    summary="Draw transitions to learn from again",
    openapi_extra=described(Wanted),
    responses=openapi.answers(400, 401, 403, 404, 408, 413, 415, 422, 503),
    response_class=Response,
)
def sample(request: Request, sender: ReadKey, wanted: Annotated[Wanted, body(Wanted)]) -> Response:
    """From the snapshot that the graph took last; 404 where the model has none.

    `return` is the discounted sum of the rewards over up to `steps` transitions, `next_state` the state after them, and
    `discount` what its value counts: 0 where the episode ends. A mean with the weights estimates the mean over what the
    buffer speaks for. The same snapshot, seed and options give the same transitions.
    """
    snapshots = _snapshots(request.app.state.receiving.door.settings.lake_dir)
    found = snapshots.of(sender.project_id, wanted.model_name)
    if found is None or not len(found.rows):
        raise NotFound("There is no transition of this model; the graph takes a snapshot after each retraining.")
    told = {
        "snapshot": {"log_offset": found.log_offset, "rows": len(found.rows)},
        "buffer": wanted.buffer,
        "seed": wanted.seed,
        "transitions": _drawn(found, wanted),
    }
    return Response(orjson.dumps(told, option=orjson.OPT_UTC_Z), media_type="application/json")


_snapshots = cache(ReplaySnapshots)


def _drawn(found: Snapshot, wanted: Wanted) -> list[dict[str, Any]]:
    from feedback_loop.learning.replay_buffers import Limits
    from feedback_loop.learning.replaying import Memory

    limits = Limits(len(found.rows), wanted.seed, wanted.alpha, wanted.beta)
    steps = Memory(found.rows, wanted.buffer, limits).draw(wanted.count, wanted.steps, wanted.gamma)
    return [
        {
            "offset": step.row["log_offset"],
            **{name: step.row[name] for name in SHOWN},
            "state": _value(step.row["state"]),
            "action": _value(step.row["action"]),
            "return": step.returned,
            "next_state": _value(step.next_state),
            "discount": step.discount,
            "probability": step.probability,
            "weight": step.weight,
        }
        for step in steps
    ]


def _value(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)
