"""The sensors: what they request, what they keep, and what they leave alone."""

from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest
from sqlmodel import Session

from feedback_assets import facts
from feedback_assets.sensors.changed_days import Span, planned
from feedback_assets.sensors.drift import drift
from feedback_assets.sensors.moved_champions import moved_champions
from feedback_assets.sensors.new_events import new_events
from feedback_assets.sensors.run_failure import run_failure
from feedback_loop.registry.champions import promote
from feedback_loop.registry.rollbacks import Order, roll_back
from feedback_loop.registry.shelf import RegisteredModel
from tests.assets.world import DAY, NEXT_DAY, World

FIRST = date(2026, 1, 1)
START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


class Sensor:
    """A sensor with the cursor that Dagster keeps for it."""

    def __init__(self, world: World, definition: dg.SensorDefinition) -> None:
        self._world = world
        self._definition = definition
        self.cursor: str | None = None
        self.said = ""

    def look(self) -> list[dg.RunRequest]:
        """The runs that one look requests."""
        with dg.build_sensor_context(
            self._world.instance,
            self.cursor,
            definitions=self._world.definitions,
            resources={"log": self._world.log},
            sensor_name=self._definition.name,
        ) as context:
            found = self._definition.evaluate_tick(context)
        self.cursor = found.cursor
        self.said = found.skip_message or ""
        return list(found.run_requests or [])


def _running(world: World, job: str) -> dg.DagsterRun:
    return world.instance.create_run_for_job(world.job(job), status=dg.DagsterRunStatus.STARTED)


def test_new_events_refresh_their_day_up_to_the_head(world: World) -> None:
    """One run a day that something was received on, exact by its tag, and the log's asset tells how far it is; nothing
    new, no run.
    """
    sensor = Sensor(world, new_events)
    assert sensor.look() == []

    world.live(3, right=1.0)
    [request] = sensor.look()

    assert request.partition_key == str(DAY.date())
    assert request.tags["feedback/upto_offset"] == "6"
    [seen] = world.instance.fetch_materializations(dg.AssetKey("staging_feedback_events"), limit=9).records
    assert seen.asset_materialization is not None
    assert seen.asset_materialization.metadata["dagster/row_count"].value == 6
    assert sensor.look() == []
    assert sensor.said == "nothing new up to offset 6"


def test_facts_of_the_loop_itself_start_nothing(world: World) -> None:
    """A decision in the log is no event to refresh for, or the loop would chase its own tail."""
    sensor = Sensor(world, new_events)
    with world.log.session() as session:
        facts.append(session, world.pepper, 1, facts.RETRAINING_SUPPRESSED, "x", {"model_name": "digits"}, DAY)

    assert sensor.look() == []


def test_one_refresh_at_a_time(world: World) -> None:
    """While a refresh runs none is requested; what came in meanwhile is in the next one."""
    sensor = Sensor(world, new_events)
    world.live(3, right=1.0)
    run = _running(world, "refresh")
    assert sensor.look() == []

    world.instance.delete_run(run.run_id)

    assert len(sensor.look()) == 1


def test_a_run_that_was_killed_is_requested_again(world: World) -> None:
    """With the same day and offset, three times in all; then the next events bring the next run."""
    sensor = Sensor(world, new_events)
    world.live(3, right=1.0)
    requests = sensor.look()
    for _ in range(3):
        _failed(world, requests[-1])
        requests += sensor.look()

    assert [each.partition_key for each in requests] == [str(DAY.date())] * 3
    assert [each.tags["feedback/upto_offset"] for each in requests] == ["6"] * 3
    assert len({each.run_key for each in requests}) == 3
    world.live(1, right=1.0, seed=1)
    assert [each.tags["feedback/upto_offset"] for each in sensor.look()] == ["8"]


def _failed(world: World, request: dg.RunRequest) -> None:
    tags = {**request.tags, "dagster/sensor_name": "new_events", "dagster/partition": request.partition_key or ""}
    world.instance.create_run_for_job(world.job("refresh"), status=dg.DagsterRunStatus.FAILURE, tags=tags)


def test_a_late_event_refreshes_the_day_it_belongs_to(world: World) -> None:
    """An inference, a retraction or an edit of a later day brings back the day of the feedback that it changes."""
    sensor = Sensor(world, new_events)
    for name in ("waiting", "taken back", "edited"):
        world.say(name, received=DAY)
    for name in ("taken back", "edited"):
        world.infer(name, received=DAY)
    told = world.facts("feedback")
    sensor.look()

    days = [NEXT_DAY + timedelta(days=n) for n in range(3)]
    world.infer("waiting", received=days[0])
    first = sensor.look()
    world.say("taken back", "retraction", received=days[1], value={"retracts": told[1].id.upper()})
    second = [*sensor.look(), *sensor.look()]
    world.say("edited", received=days[2], supersedes=told[2].id)
    third = [*sensor.look(), *sensor.look()]

    assert [(each.tags[START], each.tags[END]) for each in first] == [(str(DAY.date()), str(days[0].date()))]
    assert [each.partition_key for each in second] == [str(days[1].date()), str(DAY.date())]
    assert [each.partition_key for each in third] == [str(days[2].date()), str(DAY.date())]
    assert [each.tags["feedback/days_left"] for each in third] == ["1", "0"]
    assert len({each.run_key for each in (*first, *second, *third)}) == 5


def test_a_late_event_materialises_its_day_anew(world: World) -> None:
    """What the sensor requests, run as requested, ends with the feedback attributed."""
    sensor = Sensor(world, new_events)
    world.say("waiting", received=DAY)
    _execute(world, sensor.look())
    assert [row["state"] for row in world.rows("attributed_feedback", DAY)] == ["pending"]

    world.infer("waiting", received=NEXT_DAY)
    _execute(world, sensor.look())

    assert [row["state"] for row in world.rows("attributed_feedback", DAY)] == ["attributed"]


def _execute(world: World, requests: list[dg.RunRequest]) -> None:
    for request in requests:
        world.job("only_enriched_feedback").execute_in_process(
            instance=world.instance, partition_key=request.partition_key, tags=request.tags
        )


@pytest.mark.parametrize(
    ("received", "reached", "spans"),
    [
        ([], [], []),
        ([5], [], [(5, 5)]),
        ([5, 6], [4], [(4, 6)]),
        ([5, 9], [], [(5, 5), (9, 9)]),
        ([9], [5], [(9, 9), (5, 5)]),
        ([5, 9], [1, 5], [(5, 5), (9, 9), (1, 1), (5, 5)]),
        ([-3, 5], [], [(5, 5)]),
    ],
)
def test_days_are_planned_so_that_what_they_need_is_there(received: Any, reached: Any, spans: Any) -> None:
    """Days in a row are one run; else first the days with new rows, then the earlier ones that need them."""
    days = [[FIRST + timedelta(days=n) for n in numbers] for numbers in (received, reached)]

    found = planned(days[0], days[1], FIRST)

    assert found == [Span(*(str(FIRST + timedelta(days=n)) for n in span)) for span in spans]


def test_drift_starts_a_retraining_and_says_why(world: World) -> None:
    """The request trains the model that drifted, its tag and a fact carry the reason, and it comes once."""
    sensor = Sensor(world, drift)
    assert sensor.look() == []
    world.live(300, right=0.95)
    world.refresh(only="drift_report")
    assert sensor.look() == []
    world.live(300, right=0.3, start=DAY + timedelta(hours=1), seed=1)
    world.refresh(only="drift_report")

    [request] = sensor.look()
    again = sensor.look()

    [fact] = world.facts(facts.RETRAINING_TRIGGERED)
    assert request.run_config == {"ops": {"training_dataset": {"config": {"project_id": 1, "model_name": "digits"}}}}
    assert request.tags["feedback/reason"] == fact.body["reason"]
    assert "accuracy" in fact.body["reason"]
    assert again == []
    assert sensor.said == "digits: the drift report is older than the last training"


def test_never_two_retrainings_at_a_time(world: World) -> None:
    """While one runs the reason is kept as a suppression, once, however often the sensor looks."""
    world.live(300, right=0.95)
    world.live(300, right=0.3, start=DAY + timedelta(hours=1), seed=1)
    world.refresh(only="drift_report")
    run = _running(world, "retrain")
    sensor = Sensor(world, drift)

    assert [sensor.look() for _ in range(3)] == [[], [], []]
    suppressed = world.facts(facts.RETRAINING_SUPPRESSED)
    world.instance.delete_run(run.run_id)

    assert [fact.body["reason"].split(" (")[0] for fact in suppressed] == ["a training is in progress already"]
    assert len(sensor.look()) == 1


def test_without_drift_nothing_is_trained(world: World) -> None:
    """A champion as good as ever is left alone, and the log does not fill up with saying so."""
    sensor = Sensor(world, drift)
    requests = []
    for n in range(4):
        world.live(200, right=0.9, start=DAY + timedelta(hours=n), seed=n)
        world.refresh(only="drift_report")
        requests += [*sensor.look(), *sensor.look()]

    assert requests == []
    assert len(world.facts(facts.RETRAINING_SUPPRESSED)) <= 2


def test_a_report_is_waited_for_until_all_days_are_there(world: World) -> None:
    """While days of the same offset still wait for their refresh, the report is not settled and nothing is decided."""
    world.live(300, right=0.95)
    world.live(300, right=0.3, start=DAY + timedelta(hours=1), seed=1)
    world.refresh(only="drift_report", **{"feedback/days_left": "1"})
    sensor = Sensor(world, drift)

    assert sensor.look() == []
    assert sensor.said == "there is no settled drift report yet"


def test_a_failed_run_raises_an_alert(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alert names the job, the run and the step, and holds nothing of what the run was working on."""
    from feedback_assets.assets import meaning

    world.live(3, right=1.0)
    with monkeypatch.context() as broken:
        broken.setattr(meaning, "metrics_days", lambda *_: 1 / 0)
        result = world.refresh(checked=True)
    event = next(each for each in result.all_events if each.is_run_failure)
    run = world.instance.get_run_by_id(result.run_id)
    context = dg.build_run_status_sensor_context(
        "run_failure", event, world.instance, run, resources={"log": world.log}
    ).for_run_failure()

    run_failure(context)
    run_failure(context)

    [alert] = world.facts(facts.ALERT_RAISED)
    assert alert.body["rule"] == "dagster_run_failed"
    assert alert.body["reason"] == "refresh failed in feedback_metrics"
    assert alert.body["run_id"] == result.run_id


def test_moves_of_the_champion_are_recorded(world: World) -> None:
    """A rollback and a promotion by hand make another model serve, a refusal is observed; the gate's own are left out.

    Each is recorded once, however often the sensor looks.
    """
    with Session(world.database.engine) as session:
        for version, actor in (("m1", None), ("m2", "key")):
            promote(session, RegisteredModel(1, "digits", version), "test", DAY, world.pepper, actor=actor)
        for _ in range(2):
            roll_back(session, Order(1, "digits", None, "worse", is_by_hand=True), DAY, world.pepper, 0)
        session.commit()
    sensor = Sensor(world, moved_champions)
    sensor.look()
    sensor.look()

    served = world.instance.fetch_materializations(dg.AssetKey("serving_model"), limit=10).records
    seen = world.instance.fetch_observations(dg.AssetKey("serving_model"), limit=10).records
    told = [record.asset_materialization.metadata for record in reversed(served)]
    assert [(one["decision"].value, one["model_version"].value) for one in told] == [
        ("model_promoted", "m2"),
        ("model_rolled_back", "m1"),
    ]
    assert len(seen) == 1
