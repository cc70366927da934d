"""Loop latency: what is measured between which stages, and what counts as stuck."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from feedback_ingest.settings import Settings
from feedback_loop.learning.examples import why_not_example
from feedback_loop.learning.latency import (
    OBJECTIVES_S,
    STAGES,
    Dataset,
    Journey,
    by_model_and_metric,
    latencies,
    times,
)
from feedback_loop.learning.stuck import SHOWN, Waiting, of_newest_datasets, stuck

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def journey(**given: Any) -> Journey:
    """A ground truth that took a second more to each stage."""
    usual = {
        "feedback_id": "f", "inference_request_id": "i", "model_name": "digits", "model_version": "m1",
        "metric": "accuracy", "feedback_type": "ground_truth", "log_offset": 5, "ready_offset": 5,
        "occurred_at": at(0), "received_at": at(1), "durable_at": at(3), "attributed_at": at(6),
        "enriched_at": at(10), "queued_at": at(15),
    }  # fmt: skip
    return Journey(**usual | given)


def dataset(version: str, upto: int, compiled: float, **given: Any) -> Dataset:
    """A dataset of all of the log up to an offset."""
    return Dataset(**{"model_name": "digits", "version": version, "first_offset": 1, "log_offset": upto, "rows": 3,
                      "compiled_at": at(compiled)} | given)  # fmt: skip


def test_each_stage_is_measured_from_the_one_before() -> None:
    """And the whole way from when it occurred; the objective is held against the slowest of a hundred."""
    moments = times(journey(), [dataset("d1", 9, 21, trained_at=at(28), serving_at=at(36))], 0.0)

    told = {one.stage: one for one in latencies([moments], OBJECTIVES_S)}

    assert [told[stage].p99_ms for stage in STAGES] == [1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000]
    assert (told["occurred_to_queued"].p50_ms, told["occurred_to_serving"].p50_ms) == (15_000, 36_000)
    assert (told["received"].is_met, told["durable"].is_met, told["occurred_to_queued"].is_met) == (True, False, None)


def test_what_is_not_known_is_not_told() -> None:
    """A missing time leaves both stages beside it out; clocks that disagree make no negative time; nothing is 0."""
    gone = times(journey(attributed_at=None, received_at=at(-1)), [], 0.0)

    told = {one.stage: one for one in latencies([gone], OBJECTIVES_S)}

    assert told["received"].p99_ms == 0
    assert [told[stage].events for stage in STAGES] == [1, 1, 0, 0, 1, 0, 0, 0]
    assert (told["attributed"].p99_ms, told["attributed"].is_met) == (None, None)


@pytest.mark.parametrize(
    ("given", "golden_share", "compiled"),
    [
        ({}, 0.0, at(30)),
        ({"ready_offset": 40}, 0.0, at(50)),
        ({"log_offset": 3, "ready_offset": 3}, 0.0, at(20)),
        ({"model_name": "other"}, 0.0, None),
        ({"feedback_type": "implicit_click"}, 0.0, None),
        ({}, 1.0, None),
    ],
    ids=["the first that holds it", "its inference came later", "older", "another model", "no label", "golden"],
)
def test_a_dataset_holds_what_it_could_know(
    given: dict[str, Any], golden_share: float, compiled: datetime | None
) -> None:
    """The first dataset of the model whose offsets hold feedback and inference, and only for what it is made of."""
    known = [
        dataset("d1", 4, 20),
        dataset("d2", 39, 30, first_offset=4),
        dataset("d3", 60, 50, first_offset=4),
    ]

    assert times(journey(**given), known, golden_share)["in_dataset"] == compiled


def test_the_first_model_that_serves_counts() -> None:
    """One that was refused served nobody; the next one, trained on the same feedback, ends its way."""
    known = [dataset("d1", 9, 20, trained_at=at(25)), dataset("d2", 9, 30, trained_at=at(35), serving_at=at(40))]

    moments = times(journey(), known, 0.0)

    assert (moments["trained"], moments["serving"]) == (at(25), at(40))


def test_models_and_metrics_are_told_apart() -> None:
    """One group for each version and metric, in order."""
    all_of = [journey(), journey(metric="satisfaction"), journey(model_version="m0"), journey(queued_at=at(11))]

    told = by_model_and_metric([(one, times(one, [], 0.0)) for one in all_of], OBJECTIVES_S)

    assert [one[:3] for one in told] == [
        ("digits", "m0", "accuracy"),
        ("digits", "m1", "accuracy"),
        ("digits", "m1", "satisfaction"),
    ]
    assert {stage.stage: stage.p50_ms for stage in told[1].stages}["queued"] == 1000


def test_stuck_is_what_waits_longer_than_it_may() -> None:
    """Alike ones are one group with its oldest and some names, in the order of the stages."""
    waiting = [
        Waiting("queued", "no consent to training", 1, at(0), ("c",)),
        *(Waiting("attributed", "its inference is not logged", 1, at(n), (f"f{n}",)) for n in range(9)),
        Waiting("attributed", "its inference is not logged", 1, at(9.5), ("young",)),
    ]

    told = stuck(waiting, at(10), OBJECTIVES_S)

    assert [(one.stage, one.events, one.since) for one in told] == [("attributed", 9, at(0)), ("queued", 1, at(0))]
    assert len(told[0].names) == SHOWN and "young" not in told[0].names


def test_a_dataset_tells_why_it_does_not_serve() -> None:
    """Not trained on, refused with the gate's words, or promoted and not answering yet."""
    newest = [
        dataset("d1", 9, 20),
        dataset("d2", 9, 20, trained_at=at(25)),
        dataset("d3", 9, 20, trained_at=at(25)),
        dataset("d4", 9, 20, trained_at=at(25), serving_at=at(26)),
    ]

    told = list(of_newest_datasets(newest, {"d2": ["not better", "too few rows"]}))

    assert [(one.stage, one.reason) for one in told] == [
        ("trained", "no model was trained on d1"),
        ("serving", "d2 does not serve: the gate refused it: not better; too few rows"),
        ("serving", "d3 does not serve: it has not answered yet"),
    ]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, None),
        ({"state": "pending"}, "its inference is not logged"),
        ({"state": "orphaned"}, "its inference was never logged"),
        ({"state": "late"}, "it came later than its metric waits"),
        ({"state": "mismatched"}, "it names another model version than the logged inference, or is older than it"),
        ({"is_undone": True}, "it was undone"),
        ({"training_consent": False}, "no consent to training"),
        ({"label": None}, "it says nothing to learn from"),
    ],
)
def test_why_feedback_is_not_learnt_from(given: dict[str, Any], reason: str | None) -> None:
    """One reason each, the first that holds."""
    row = {"state": "attributed", "is_undone": False, "training_consent": True, "feedback_type": "explicit_label"}
    said = {"label": '"3"', "reward": None, "preferred": None}

    assert why_not_example({**row, **said, **given}) == reason


@pytest.mark.parametrize("given", [{"queue": 1.0}, {"queued": 0.0}])
def test_an_objective_that_is_none_is_refused_at_the_start(given: dict[str, float]) -> None:
    """A stage that does not exist, or no time at all."""
    with pytest.raises(ValidationError, match="latency_objectives_s"):
        Settings(latency_objectives_s=given)  # type: ignore[arg-type]
