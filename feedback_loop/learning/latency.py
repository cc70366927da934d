"""Loop latency: how long feedback takes from stage to stage, until a model that learnt from it serves.

It is told of feedback that has reached the training queue, which is what can be learnt from. Times are what was noted
when it happened; where one is missing, the stages on both sides of it are not told.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, get_args

from feedback_ingest.settings import LoopStage
from feedback_loop.learning.datasets import LABEL_SOURCES, is_golden
from feedback_loop.learning.percentiles import percentiles

STAGES: tuple[str, ...] = get_args(LoopStage)
"""The stages after `occurred`, each measured from the one before it."""

OBJECTIVES_S: Mapping[str, float] = {
    "received": 60.0,
    "durable": 1.0,
    "attributed": 1.0,
    "enriched": 1.0,
    "queued": 1.0,
    "in_dataset": 3_600.0,
    "trained": 900.0,
    "serving": 60.0,
}
"""What 99 of 100 are to take at most, where the operator sets nothing else."""

WHOLE = {"occurred_to_queued": "queued", "occurred_to_serving": "serving"}
"""Ways over several stages, by the stage they end in."""


class Journey(NamedTuple):
    """One feedback in the training queue: what it is about, and when it came to each stage up to there."""

    feedback_id: str
    inference_request_id: str
    model_name: str
    model_version: str
    metric: str
    feedback_type: str
    log_offset: int
    ready_offset: int
    """The event that made it an example: itself, or its inference where that came later."""
    occurred_at: datetime
    received_at: datetime
    durable_at: datetime | None
    attributed_at: datetime | None
    enriched_at: datetime | None
    queued_at: datetime | None


class Dataset(NamedTuple):
    """A compiled dataset: feedback from `first_offset` to `log_offset`; when a model was trained on it, and served."""

    model_name: str
    version: str
    first_offset: int
    log_offset: int
    rows: int
    compiled_at: datetime
    trained_at: datetime | None = None
    serving_at: datetime | None = None


class StageLatency(NamedTuple):
    """Milliseconds of one stage over `events`; `is_met`: p99 is within the objective (None: none, or no events)."""

    stage: str
    events: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    objective_ms: float | None
    is_met: bool | None


class GroupLatency(NamedTuple):
    """The stages of the feedback about one model version that feeds one metric."""

    model_name: str
    model_version: str
    metric: str
    stages: tuple[StageLatency, ...]


def is_learnt_from(journey: Journey, golden_share: float) -> bool:
    """Whether a dataset may hold the feedback; the way of any other ends in the training queue."""
    return journey.feedback_type in LABEL_SOURCES and not is_golden(journey.inference_request_id, golden_share)


def times(journey: Journey, datasets: Sequence[Dataset], golden_share: float) -> dict[str, datetime | None]:
    """When the feedback came to `occurred` and each of STAGES; `datasets` in the order they were compiled.

    A dataset holds what a label says where the log, up to its offset, has both feedback and inference: of two labels
    for one inference only the believed one is in it, which is not looked at here.
    """
    holding = [
        dataset
        for dataset in datasets
        if dataset.model_name == journey.model_name
        and dataset.first_offset <= journey.log_offset
        and journey.ready_offset <= dataset.log_offset
    ]
    if not is_learnt_from(journey, golden_share):
        holding = []
    return {
        "occurred": journey.occurred_at,
        "received": journey.received_at,
        "durable": journey.durable_at,
        "attributed": journey.attributed_at,
        "enriched": journey.enriched_at,
        "queued": journey.queued_at,
        "in_dataset": _first(dataset.compiled_at for dataset in holding),
        "trained": _first(dataset.trained_at for dataset in holding),
        "serving": _first(dataset.serving_at for dataset in holding),
    }


def latencies(told: Iterable[Mapping[str, datetime | None]], objectives_s: Mapping[str, float]) -> list[StageLatency]:
    """Each of STAGES and of WHOLE over what `times` says of many feedback."""
    spent: defaultdict[str, list[float]] = defaultdict(list)
    for moments in told:
        before = moments["occurred"]
        for stage in STAGES:
            _spend(spent[stage], before, moments[stage])
            before = moments[stage]
        for way, end in WHOLE.items():
            _spend(spent[way], moments["occurred"], moments[end])
    return [_stage(name, spent[name], objectives_s.get(name)) for name in (*STAGES, *WHOLE)]


def by_model_and_metric(
    told: Sequence[tuple[Journey, Mapping[str, datetime | None]]], objectives_s: Mapping[str, float]
) -> list[GroupLatency]:
    """The same for each (model, version, metric), in the order of these names."""
    groups: defaultdict[tuple[str, str, str], list[Mapping[str, datetime | None]]] = defaultdict(list)
    for journey, moments in told:
        groups[journey.model_name, journey.model_version, journey.metric].append(moments)
    return [GroupLatency(*name, tuple(latencies(groups[name], objectives_s))) for name in sorted(groups)]


def _first(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _spend(spent: list[float], begin: datetime | None, end: datetime | None) -> None:
    """Adds the milliseconds between; clocks of two machines may disagree by a little, which is no time."""
    if begin is not None and end is not None:
        spent.append(max((end - begin).total_seconds() * 1000, 0.0))


def _stage(name: str, spent: Sequence[float], objective_s: float | None) -> StageLatency:
    told = percentiles(spent)
    slowest = told["p99"]
    is_met = None if objective_s is None or slowest is None else slowest <= objective_s * 1000
    objective_ms = None if objective_s is None else objective_s * 1000
    return StageLatency(name, len(spent), told["p50"], told["p95"], told["p99"], objective_ms, is_met)
