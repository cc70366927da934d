"""The graph under failures: runs killed in each asset, and a storm of signals that asks for trainings."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import orjson
import pytest

from expectations import validation
from feedback_assets import facts
from feedback_assets.sensors import drift as drift_sensor
from feedback_assets.sensors import signals
from feedback_assets.sensors.drift import drift
from feedback_assets.sensors.run_failure import run_failure
from feedback_ingest.postgres import Database
from feedback_loop.learning.policies.validation import ValidationPolicy
from tests.assets.test_sensors import Sensor
from tests.assets.test_signals import signalled
from tests.assets.test_validation_gate import thumbs
from tests.assets.world import DAY, World
from tests.chaos.doors import ROOT
from tests.chaos.dying_runs import COMPILATION, REFRESHED, RETRAINED

pytestmark = pytest.mark.chaos


@pytest.fixture
def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world without events, where no tick waits for the next one."""
    monkeypatch.setattr(signals, "WAIT_S", 0.0)
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(database, tmp_path / "world", instance)


def dying(world: World, plant: str = "") -> dict[str, Any]:
    """What became of runs that died in every asset."""
    world.live(120, right=0.6)
    world.data_dir.mkdir(exist_ok=True)
    given = [sys.executable, "-m", "tests.chaos.dying_runs", str(world.data_dir), world.database.url, plant]
    said = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert said.returncode == 0, said.stderr[-4_000:]
    return orjson.loads(said.stdout.splitlines()[-1])


def test_a_run_killed_in_any_asset_leaves_nothing_half_made(world: World) -> None:
    """After each kill everything that a reader finds is whole; in the end the dataset is the one of calm days."""
    told = dying(world)

    assert told["died"] == [*REFRESHED, *RETRAINED, COMPILATION]
    assert told["unreadable"] == []
    assert told["made"] == told["calm"]


def test_a_writer_in_place_is_found_out(world: World) -> None:
    """The planted bug `in_place`: half a table stands where readers look."""
    assert len(dying(world, "in_place")["unreadable"]) >= len(REFRESHED)


def storm(world: World, monkeypatch: pytest.MonkeyPatch) -> list[dg.RunRequest]:
    """A hundred signals within ten looks and ten reports, the first training at work for half of them."""
    settings = world.log.settings.model_copy(update={"retrain_cooldown_s": 3_600})
    monkeypatch.setattr(type(world.log), "settings", property(lambda _: settings))
    world.live(300, right=0.95)
    sensor, requests, at_work = Sensor(world, drift), [], None
    for tenth in range(10):
        world.live(150, right=0.3, start=DAY + timedelta(hours=1 + tenth), seed=1 + tenth)
        world.refresh()
        signalled(world, range(10 * tenth, 10 * tenth + 10))
        found = sensor.look()
        requests += found
        if found and at_work is None:
            at_work = world.instance.create_run_for_job(world.job("retrain"), status=dg.DagsterRunStatus.STARTED)
        if at_work is not None and tenth == 5:
            world.instance.report_run_failed(at_work)
    return requests


def test_a_storm_of_drift_starts_one_training(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is at work, and while its cool-down lasts, no other starts, however the drift goes on."""
    requests = storm(world, monkeypatch)

    assert len(requests) == 1
    assert len(world.facts(facts.RETRAINING_TRIGGERED)) == 1
    reasons = " ".join(fact.body["reason"] for fact in world.facts(facts.RETRAINING_SUPPRESSED))
    assert "in progress" in reasons and "too recent" in reasons


def test_a_tireless_sensor_is_found_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug `tireless`: it forgets what was started, and asks again at each report."""
    gathered = drift_sensor.gathered

    def tireless(session: Any, row: Any, is_training: bool) -> Any:
        found = gathered(session, row, False)
        return type(found)(found.found, (), found.alerts, False, found.now)

    monkeypatch.setattr(drift_sensor, "gathered", tireless)

    assert len({request.run_key for request in storm(world, monkeypatch)}) > 1


def gated(world: World) -> dict[str, Any]:
    """What became of labels and alerts when 5 % of a day's thumbs broke a rule that blocks."""
    world.decide(ValidationPolicy(negative_has_reason="block"))
    world.live(60, right=0.8)
    assert world.refresh(checked=True).success
    before = world.rows("labeled_set")
    world.live(60, right=0.8, start=DAY + timedelta(hours=1), seed=1)
    thumbs(world, 190)
    thumbs(world, 10, bad=10)
    blocked = world.refresh(checked=True)
    run = world.instance.get_run_by_id(blocked.run_id)
    assert run is not None
    for event in (each for each in blocked.all_events if each.is_run_failure):
        context = dg.build_run_status_sensor_context(
            "run_failure", event, world.instance, run, resources={"log": world.log}
        ).for_run_failure()
        run_failure(context)
    alerts = [fact.body["rule"] for fact in world.facts(facts.ALERT_RAISED)]
    return {"published": world.rows("labeled_set") != before, "alerts": alerts}


def test_bad_rows_publish_nothing_and_are_told(world: World) -> None:
    """What a dataset would be made of stays as it was, and an alert says which run was held back."""
    assert gated(world) == {"published": False, "alerts": ["dagster_run_failed"]}


def test_a_gate_that_blocks_nothing_is_found_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug `lenient`: no number of bad rows is enough."""
    monkeypatch.setattr(validation, "FEW", 10**9)

    assert gated(world)["published"]
