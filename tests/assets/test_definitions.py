"""The code location: what it holds, how it is described, and how fast it loads."""

import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from expectations.rules import collect
from feedback_assets.definitions import ASSETS, CHECKS, defs

EXTERNAL = {"staging_feedback_events", "serving_model"}
BY_DAY = {
    "feedback_events",
    "inferences",
    "context_answers",
    "validated_feedback",
    "quarantined_feedback",
    "attributed_feedback",
    "enriched_feedback",
    "feedback_metrics",
    "inference_rewards",
    "judged_answers",
    "feedback_lake",
}
WHOLE = {
    "bias_report",
    "failure_slices",
    "feature_attributions",
    "trust_report",
    "fidelity_report",
    "labeled_set",
    "review_queue",
    "review_labels",
    "reviewer_quality",
    "golden_set",
    "audit_estimates",
    "training_dataset",
    "drift_report",
    "candidate_model",
    "model_evaluation",
    "champion_model",
    "replay_buffer",
    "replayed_policy",
    "rehearsal_report",
    "shadow_report",
    "reward_model",
}
TIMED = """
import time, dagster
start = time.process_time()
import feedback_assets.definitions
print(time.process_time() - start)
"""


@pytest.fixture(scope="module")
def graph() -> AssetGraph:
    """The assets as Dagster resolves them."""
    return defs.resolve_asset_graph()


def test_the_graph_has_every_asset(graph: AssetGraph) -> None:
    """From the staging table to the serving model; the two at the ends are outside of Dagster."""
    names = {key.to_user_string() for key in graph.get_all_asset_keys()}

    assert names == EXTERNAL | BY_DAY | WHOLE
    assert {key.to_user_string() for key in graph.external_asset_keys} == EXTERNAL
    assert {key.to_user_string() for key in graph.toposorted_asset_keys[:1]} == {"staging_feedback_events"}


def test_what_the_drift_report_needs_goes_first(graph: AssetGraph) -> None:
    """Its steps, and the blocking check between them, go before every other of a run, so that a trigger waits less."""
    needed = dg.AssetSelection.assets("drift_report").upstream().resolve(graph)
    steps = {step.node_def.name: step for step in (*ASSETS, *CHECKS) if isinstance(step, dg.AssetsDefinition)}
    first = {name for name, step in steps.items() if int(step.node_def.tags.get("dagster/priority", 0)) > 0}
    of_needed = {name for name, step in steps.items() if step.keys & needed}

    assert first == of_needed | {"rules_over_feedback"}


def test_every_asset_is_described(graph: AssetGraph) -> None:
    """Group, owner, kinds and a description: what one looks for in the UI is there."""
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name in {"ingest", "meaning", "evidence", "learning", "models", "review"}, key
        assert node.owners and all(owner.startswith("team:") for owner in node.owners), key
        assert node.kinds, key
        assert node.description and node.description.endswith((".", "?")), key


def test_tables_by_day_are_partitioned_by_the_utc_day(graph: AssetGraph) -> None:
    """Today included, from the first day of the settings on; a range of days is one run."""
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert (node.partitions_def is not None) == (key.to_user_string() in BY_DAY), key
        if node.partitions_def is not None:
            assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition)
            assert (node.partitions_def.timezone, node.partitions_def.end_offset) == ("UTC", 1)
            assert node.backfill_policy == dg.BackfillPolicy.single_run()


def test_every_rule_is_a_check(graph: AssetGraph) -> None:
    """One check for each named expectation, and those of freshness, of review and of live against log."""
    names = {key.name for key in graph.asset_check_keys}

    assert names == set(collect()) | {
        "export_is_fresh",
        "golden_is_held_out",
        "labels_are_as_asked",
        "verdicts_are_feedback",
        "log_is_gapless",
        "live_attribution_is_the_logs",
        "live_metrics_are_the_logs",
        "live_enrichments_are_the_logs",
        "live_rewards_are_the_logs",
    }


def test_the_sensors_work_without_being_switched_on() -> None:
    """All run by default, every five seconds or a little less, but for the one whose news can wait."""
    sensors = {sensor.name: sensor for sensor in defs.sensors or []}

    assert set(sensors) == {
        "new_events",
        "drift",
        "moved_champions",
        "new_pairs",
        "new_verdicts",
        "outside_reviews",
        "replayed",
        "run_failure",
        "asked_datasets",
    }
    assert all(each.default_status == dg.DefaultSensorStatus.RUNNING for each in sensors.values())
    assert all(each.minimum_interval_seconds == 4 for name, each in sensors.items() if name != "new_verdicts")


def test_the_jobs_are_whole(graph: AssetGraph) -> None:
    """They share no asset, and together make all that is not outside."""
    made = [
        {key.to_user_string() for key in defs.resolve_job_def(name).asset_layer.executable_asset_keys}
        for name in ("refresh", "retrain", "replay")
    ]

    assert sum(map(len, made)) == len(set().union(*made))
    assert set().union(*made) == BY_DAY | WHOLE


def test_importing_the_definitions_is_fast() -> None:
    """Less than 1.5 s of CPU beyond Dagster's own import."""
    answer = subprocess.run([sys.executable, "-c", TIMED], capture_output=True, text=True, timeout=120, check=True)

    assert float(answer.stdout) < 1.5


def test_importing_the_definitions_loads_nothing_heavy() -> None:
    """Great Expectations, MLflow, scikit-learn, matplotlib and ibis come with the first body that needs them."""
    heavy = ("great_expectations", "mlflow", "sklearn", "matplotlib", "ibis", "duckdb", "pyarrow")
    program = f"import sys, feedback_assets.definitions; print(*[name for name in {heavy!r} if name in sys.modules])"

    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)

    assert answer.stdout.split() == []
