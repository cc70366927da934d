"""What is stuck on its way through the loop: how much, since when, at which stage, and why."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from feedback_loop.learning.latency import STAGES, Dataset

SHOWN = 5
"""So many ids are told of each group."""


class Waiting(NamedTuple):
    """Feedback that has not come to `stage`, some for the same reason; the oldest of it was due to go on `since` then.

    `names` are ids of some of it; `is_capped`: there may be more than `events`.
    """

    stage: str
    reason: str
    events: int
    since: datetime
    names: tuple[str, ...] = ()
    is_capped: bool = False


def stuck(waiting: Iterable[Waiting], now: datetime, objectives_s: Mapping[str, float]) -> list[Waiting]:
    """Those that have waited longer than the stage may take; alike ones together, in the order of the stages."""
    groups: dict[tuple[str, str], Waiting] = {}
    for one in waiting:
        if (now - one.since).total_seconds() <= objectives_s[one.stage]:
            continue
        known = groups.get((one.stage, one.reason))
        groups[one.stage, one.reason] = one if known is None else _together(known, one)
    ordered = sorted(groups.values(), key=lambda one: (STAGES.index(one.stage), one.since, one.reason))
    return [one._replace(names=one.names[:SHOWN]) for one in ordered]


def of_newest_datasets(newest: Iterable[Dataset], refused: Mapping[str, Sequence[str]]) -> Iterator[Waiting]:
    """The rows of each model's newest dataset where no model was trained on it, or none that was serves.

    `refused` are the gate's reasons by model version; a model is named as its dataset.
    """
    for dataset in newest:
        if dataset.trained_at is None:
            reason = f"no model was trained on {dataset.version}"
            yield Waiting("trained", reason, dataset.rows, dataset.compiled_at)
        elif dataset.serving_at is None:
            reasons = refused.get(dataset.version)
            reason = f"the gate refused it: {'; '.join(reasons)}" if reasons else "it has not answered yet"
            yield Waiting("serving", f"{dataset.version} does not serve: {reason}", dataset.rows, dataset.trained_at)


def _together(one: Waiting, other: Waiting) -> Waiting:
    return Waiting(
        one.stage,
        one.reason,
        one.events + other.events,
        min(one.since, other.since),
        one.names + other.names,
        one.is_capped or other.is_capped,
    )
