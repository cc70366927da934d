"""What else starts a training: a storm of signals starts one, and a trigger that the project defined."""

from collections.abc import Iterable
from datetime import timedelta

import dagster as dg
import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_assets import facts
from feedback_assets.sensors import signals
from feedback_assets.sensors.drift import drift
from feedback_assets.sensors.new_events import new_events
from feedback_ingest.clock import monotonic_s
from feedback_ingest.decisions import Decider
from feedback_loop.learning.standing_triggers import Trigger, Wanted
from feedback_loop.stream.consumers.alerts import CHANNEL
from feedback_loop.stream.standing import ProjectTriggers
from feedback_loop.stream.tables import Alert
from tests.assets.test_sensors import Sensor
from tests.assets.world import DAY, World


def test_a_hundred_signals_start_one_training(world: World) -> None:
    """Looked at again as they come, as a storm of alerts would have it: one run, and one fact that says why."""
    sensor = Sensor(world, drift)
    world.live(300, right=0.95)
    world.live(300, right=0.3, start=DAY + timedelta(hours=1), seed=1)
    world.refresh(only="drift_report")
    requests = []
    for tenth in range(10):
        signalled(world, range(10 * tenth, 10 * tenth + 10))
        requests += sensor.look()

    assert len(requests) == 1
    assert len(world.facts(facts.RETRAINING_TRIGGERED)) == 1


def test_a_trigger_of_the_project_starts_a_training_too(world: World) -> None:
    """Without any drift: once there are so many new labels, or when somebody asks; each says which trigger it was."""
    sensor = Sensor(world, drift)
    world.live(300, right=0.95)
    world.refresh(only="drift_report")
    decider = Decider("somebody", world.pepper)
    with world.log.session() as session:
        triggers = ProjectTriggers(session, 1)
        triggers.define(_trigger("much", Wanted(kind="volume", at_least=10_000)), decider, DAY)
        triggers.define(_trigger("by-hand", Wanted(kind="manual")), decider, DAY)
    assert sensor.look() == []
    assert "trigger much: does not hold: " in world.facts(facts.RETRAINING_SUPPRESSED)[-1].body["reason"]
    with world.log.session() as session:
        ProjectTriggers(session, 1).ask("by-hand", "digits", decider, DAY)

    [request] = sensor.look()

    [fact] = world.facts(facts.RETRAINING_TRIGGERED)
    assert request.tags["feedback/reason"] == fact.body["reason"] == "trigger by-hand: asked for by somebody"
    assert sensor.look() == []


def test_a_tick_that_waits_is_woken_by_an_alert(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers what the alert changed, and not when its time is over: nothing else is looked at for a minute."""
    monkeypatch.setattr(signals, "WAIT_S", 60.0)
    monkeypatch.setattr(signals, "LOOK_EVERY_S", 60.0)
    looks: list[int] = []

    def look() -> signals.Answer:
        looks.append(signals.signalled(world.log))
        if looks == [0]:  # between the first look and the wait
            signalled(world, [7])
            return dg.SkipReason("no drift")
        return dg.SensorResult(run_requests=[dg.RunRequest()])

    began_s = monotonic_s()
    answer = signals.answered(world.log, look, lambda: signals.signalled(world.log))

    assert isinstance(answer, dg.SensorResult)
    assert looks == [0, 8]
    assert monotonic_s() - began_s < 30


def test_a_signal_is_refreshed_for_as_soon_as_nothing_is_at_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the tick, which else leaves it to the next one; a signal that the last refresh has read waits for none."""
    sensor = Sensor(world, new_events)
    world.live(3, right=1.0)
    at_work = iter(["a refresh is running"] * 2)
    monkeypatch.setattr("feedback_assets.sensors.new_events._at_work", lambda instance: next(at_work, None))
    monkeypatch.setattr(signals, "LOOK_EVERY_S", 0.01)
    assert sensor.look() == []
    at_work = iter(["a refresh is running"] * 2)
    monkeypatch.setattr(signals, "WAIT_S", 30.0)
    signalled(world, [2])

    [request] = sensor.look()
    monkeypatch.setattr(signals, "WAIT_S", 0.1)

    assert request.tags["feedback/upto_offset"] == "6"
    assert sensor.look() == []


def signalled(world: World, numbers: Iterable[int]) -> None:
    """Has rules signal drift."""
    with Session(world.database.engine) as session:
        session.add_all(_signal(n) for n in numbers)
        session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
        session.commit()


def _trigger(name: str, condition: Wanted) -> Trigger:
    return Trigger(trigger_id=name, conditions=(condition,), min_labels=0)


def _signal(n: int) -> Alert:
    return Alert(
        alert_id=f"a{n}",
        project_id=1,
        rule=f"floor-{n}",
        model_name="digits",
        model_version="digits-0001",
        state="raised",
        value=0.3,
        samples=100,
        reason="accuracy fell",
        cause_offset=n + 1,
        occurred_at=DAY,
        raised_at=DAY,
        actions=["alert", "drift_signal"],
    )
