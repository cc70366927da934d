"""What a demo reports: stages measured from the right moments, sums compared with the database, goals named."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from feedback_cli.demo.dagster_runs import Run
from feedback_cli.demo.display import sparkline
from feedback_cli.demo.goals import accuracy_missed, missed
from feedback_cli.demo.latency import Queued, stages
from feedback_cli.demo.ledger import Entry
from feedback_cli.demo.reactions import reactions, told
from feedback_cli.demo.report import Report
from feedback_ingest.log import LogRow
from feedback_loop.learning.percentiles import percentiles

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """A moment of the demo."""
    return START + timedelta(seconds=seconds)


def run(job: str = "retrain", status: str = "SUCCESS", sensor: str | None = "drift") -> Run:
    """A Dagster run."""
    return Run("r1", job, status, sensor, None, 1.0, 2.0, 3.0)


def report(**changes: Any) -> Report:
    """A demo that met its goals, with `changes`."""
    known: dict[str, Any] = {
        "scenario": "digits",
        "counts": {"inference": {"accepted": 90}, "feedback": {"accepted": 50, "duplicate": 2, "refused": 3}},
        "stored": {"inference": 90, "feedback": 50, "feedback_refused": 3},
        "accuracy": {"before": 0.93, "drifted": 0.2, "after": 0.95},
        "champion": {"before": "digits-0001", "after": "digits-0002"},
        "latency_ms": {"durable_to_training_queue": percentiles([10.0, 20.0])},
        "runs": [run()],
        "graph": None,
        "retrainings": [],
        "links": {},
    }
    return Report(**{**known, **changes})


def fact(kind: str, offset: int, seconds: float, **body: Any) -> LogRow:
    """A fact about digits."""
    return LogRow(offset, 1, kind, kind, after(seconds), after(seconds), {"model_name": "digits", **body})


def test_where_the_time_of_a_retraining_goes() -> None:
    """From the alert about the version that served: the trigger, the run, the training and the gate, each in seconds.

    Datasets that somebody asked for, and alerts about other versions, are none of it.
    """
    facts = [
        fact("alert_raised", 1, 0, model_version="digits-0000"),
        fact("alert_raised", 2, 10, model_version="digits-0001"),
        fact("retraining_triggered", 3, 14.5, model_version="digits-0001"),
        fact("dataset_compiled", 4, 15, dataset_version="digits-0002", actor="somebody"),
        fact("dataset_compiled", 5, 17, dataset_version="digits-0003"),
        fact("model_promoted", 6, 21, model_version="digits-0003", dataset_version="digits-0003"),
        fact("retraining_triggered", 7, 60, model_version="digits-0003"),
    ]
    started = [Run(name, "retrain", "SUCCESS", "drift", None, 0.0, after(at).timestamp(), None) for name, at in
               (("r1", 15.25), ("r2", 61))]  # fmt: skip

    found = reactions(facts, started)

    assert found[0] == {"trigger": 4.5, "run": 5.25, "training": 7.0, "decision": 11.0}
    assert found[1] == {"trigger": 0.0, "run": 1.0, "training": None, "decision": None}
    assert told(found[1]) == "trigger +0.0, run +1.0"
    console = Console(record=True, width=120)
    report(retrainings=[{"after_signal_s": found[0]}]).print(console)
    assert "trigger +4.5, run +5.2, training +7.0, decision +11.0" in console.export_text()


def test_an_example_is_durable_once_feedback_and_inference_are() -> None:
    """Feedback that came before its inference does not wait in vain on the stream's account."""
    ledger = [
        Entry("inference", "i1", "i1", after(0), after(4), 2.5),
        Entry("feedback", "f1", "i1", after(1), after(2), 1.5),
    ]

    found = stages(ledger, {"f1": Queued(7, after(4.25))}, {"f1": after(31)})

    assert found["durable_to_training_queue"]["p50"] == 250.0
    assert found["occurred_to_serving"]["p50"] == 30_000.0
    assert found["received_to_durable"] == {"p50": 1.5, "p95": 2.5, "p99": 2.5, "count": 2}


def test_no_measurement_is_no_number() -> None:
    """Without events a percentile is None, never 0."""
    assert percentiles([]) == {"p50": None, "p95": None, "p99": None, "count": 0}


def test_a_percentile_is_a_measured_value() -> None:
    """Of 1 to 200 the 99th percentile is 198."""
    assert percentiles(float(n) for n in range(1, 201)) == {"p50": 100.0, "p95": 190.0, "p99": 198.0, "count": 200}


def test_a_good_demo_misses_nothing() -> None:
    """All goals met, and demo.json says the sums."""
    told = report().as_json()

    assert missed(report(), expects_retraining=True) == []
    assert told["sent"] == told["accepted"] + told["duplicate"] + told["conflict"] + told["refused"] == 145
    assert told["dagster_runs"]["started_by_sensor"] == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"stored": {"inference": 90, "feedback": 49, "feedback_refused": 3}}, "50 accepted, the database holds 49"),
        ({"stored": {"inference": 90, "feedback": 50}}, "3 refused, the database holds 0"),
        ({"runs": [run(), run("refresh", "FAILURE")]}, "1 Dagster runs failed"),
        ({"runs": [run(sensor=None)]}, "no sensor started a retraining"),
        ({"champion": {"before": "digits-0001", "after": "digits-0001"}}, "the champion did not move"),
        ({"latency_ms": {"durable_to_training_queue": percentiles([1200.0])}}, "p99 is 1200.0 ms"),
        ({"latency_ms": {"durable_to_training_queue": percentiles([])}}, "p99 is None ms"),
    ],
)
def test_a_missed_goal_is_named(changes: dict[str, Any], told: str) -> None:
    """One sentence says what is not as promised."""
    [sentence] = missed(report(**changes), expects_retraining=True)

    assert told in sentence


def test_a_retraining_without_drift_is_a_missed_goal() -> None:
    """The same demo without drift retrains 0 times."""
    [sentence] = missed(report(), expects_retraining=False)

    assert sentence == "1 retrainings started without drift"


def test_accuracy_must_fall_and_come_back() -> None:
    """Within 0.03 of before, after a fall of 0.15; unmeasured is missed."""
    assert accuracy_missed(0.93, 0.2, 0.91) == []
    assert len(accuracy_missed(0.93, 0.85, 0.5)) == 2
    assert accuracy_missed(None, 0.2, 0.9) == ["accuracy was not measured before, drifted and after"]


def test_demo_json_is_written_whole(tmp_path: Path) -> None:
    """A second report replaces the first, nothing half-written stays beside it."""
    report().write(tmp_path / "demo.json")
    report(scenario="other").write(tmp_path / "demo.json")

    assert '"scenario": "other"' in (tmp_path / "demo.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["demo.json"]


def test_the_sparkline_shows_the_newest_values() -> None:
    """From the lowest bar at 0 to the highest at 1, the last 48 of them."""
    assert sparkline([0.0, 1.0]) == "▁█"
    assert len(sparkline([0.5] * 100)) == 48
