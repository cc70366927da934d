"""The main job, shortened, on real processes: the loop closes by itself, and every number of demo.json is true."""

from collections import Counter
from pathlib import Path

import pytest

from tests.support.demo_runs import DemoRun, run_demo

pytestmark = pytest.mark.acceptance

EVENTS = """
SELECT kind, count(*) FROM staging.feedback_events
WHERE kind IN ('feedback', 'inference') AND model_name = 'digits' GROUP BY kind
"""
GAPS = "SELECT max(log_offset) - min(log_offset) + 1 - count(*) FROM staging.feedback_events"
REFUSED = "SELECT count(*) FROM staging.quarantined_items"
PROMOTIONS = """
SELECT model_version FROM staging.feedback_events WHERE kind = 'model_promoted' ORDER BY log_offset
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """One shortened demo, drift at a moment that the system does not know."""
    return run_demo(tmp_path_factory.mktemp("demo"), "--quick", "--seed", "11")


def test_the_loop_closes_by_itself(demo: DemoRun) -> None:
    """Accuracy falls with the drift and recovers with a champion that a sensor had trained; no run fails."""
    accuracy, champion, runs = demo.report["accuracy"], demo.report["champion"], demo.report["dagster_runs"]

    assert demo.exit_code == 0, demo.output
    assert demo.report["failures"] == []
    assert accuracy["drifted"] <= accuracy["before"] - 0.15
    assert accuracy["after"] >= accuracy["before"] - 0.03
    assert champion["before"] == "digits-0001" != champion["after"]
    assert runs["started_by_sensor"] >= 1
    assert runs["failed"] == 0


def test_every_event_is_accounted_for(demo: DemoRun) -> None:
    """Sent is the sum of what became of them; what was accepted and refused is what the database holds; no gaps."""
    report = demo.report

    stored = {kind: int(count) for kind, count in demo.ask(EVENTS)}
    [[refused]], [[gaps]] = demo.ask(REFUSED), demo.ask(GAPS)

    outcomes = {name: report[name] for name in ("accepted", "duplicate", "conflict", "refused")}
    assert report["sent"] == sum(outcomes.values())
    assert min(outcomes.values()) > 0
    assert report["accepted"] == sum(stored.values())
    assert report["by_kind"]["feedback"]["accepted"] == stored["feedback"]
    assert report["refused"] == int(refused)
    assert gaps == "0"


def test_the_champion_moved_by_a_fact(demo: DemoRun) -> None:
    """The log tells every promotion; the first is by hand and the last is the champion that serves."""
    promoted = [version for [version] in demo.ask(PROMOTIONS)]
    [[serving]] = demo.ask("SELECT model_version FROM champions")

    assert promoted[0] == demo.report["champion"]["before"]
    assert promoted[-1] == demo.report["champion"]["after"] == serving


def test_the_loop_is_fast(demo: DemoRun) -> None:
    """Durable feedback is in the training queue within a second; every stage was measured on many events."""
    stages = demo.report["latency_ms"]

    assert stages["durable_to_training_queue"]["p99"] < 1000
    for stage in ("received_to_durable", "durable_to_training_queue", "occurred_to_serving"):
        assert stages[stage]["count"] > 100
        assert stages[stage]["p50"] <= stages[stage]["p95"] <= stages[stage]["p99"]


def test_the_graph_is_whole_and_green(demo: DemoRun) -> None:
    """Every asset was materialised and every check is green."""
    graph = demo.report["graph"]

    assert graph["missing"] == []
    assert graph["not_green"] == []
    assert len(graph["green"]) >= 5


def test_named_expectations_quarantined_real_rows(demo: DemoRun) -> None:
    """The users' nonsense is held back by rules that say their name, and demo.json tells how often."""
    import pyarrow.dataset

    rows = pyarrow.dataset.dataset(demo.data_dir / "lake" / "quarantined_feedback", format="parquet").to_table()

    broken = Counter(rule for rules in rows["broken_rules"].to_pylist() for rule in rules)
    assert broken == demo.report["quarantined_by_rule"]
    assert {"label_is_known", "one_vote_per_user"} <= set(broken)


def test_a_dataset_can_be_looked_at(demo: DemoRun) -> None:
    """The link to the dataset leads to a file."""
    assert Path(demo.report["links"]["dataset"]).exists()


@pytest.mark.chaos
@pytest.mark.parametrize(("fault", "deadline_s", "retrains"), [("sensor_off", 15, False), ("gate_inverted", 60, True)])
def test_a_planted_fault_is_noticed(tmp_path: Path, fault: str, deadline_s: int, retrains: bool) -> None:
    """With the sensor off, or the gate inverted, the same demo fails and says what did not happen."""
    run = run_demo(tmp_path, "--quick", "--deadline", str(deadline_s), planted=fault)

    assert run.exit_code == 1, run.output
    assert "no new champion was served" in " ".join(run.report["failures"])
    assert run.report["champion"]["after"] == run.report["champion"]["before"]
    assert bool(run.report["dagster_runs"]["started_by_sensor"]) is retrains
