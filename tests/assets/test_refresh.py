"""The job `refresh`, on a real Postgres and a real lake."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_assets.assets import meaning
from feedback_assets.sensors.changed_days import changed_days
from feedback_loop.learning import flattening
from tests.assets.world import DAY, NEXT_DAY, World, checks


def test_a_refresh_materialises_every_table(world: World) -> None:
    """From log to drift report in one run, with every check green and no stream anywhere."""
    world.live(60, right=0.9)

    result = world.refresh(checked=True)

    assert result.success
    assert len(world.rows("feedback_events", DAY)) == 60
    assert {row["state"] for row in world.rows("attributed_feedback", DAY)} == {"attributed"}
    assert len(world.rows("labeled_set")) == 60
    assert {row["metric"] for row in world.rows("feedback_metrics", DAY)} >= {"accuracy", "volume"}
    assert [row["model_name"] for row in world.rows("drift_report")] == ["digits"]
    assert {name for name, found in checks(result).items() if not found.passed} == set()
    assert checks(result)["live_metrics_are_the_logs"].metadata["note"].value == "no live numbers to compare"


def test_a_day_without_events_is_an_empty_day(world: World) -> None:
    """Nothing received is no error, in no table and no check."""
    result = world.refresh(checked=True)

    assert result.success
    assert world.rows("feedback_events", DAY) == world.rows("labeled_set") == []
    assert all(found.passed for found in checks(result).values())


def test_a_run_reads_the_log_up_to_its_offset(world: World) -> None:
    """With a tag the run stops at that offset; without one it keeps the head it found as its tag."""
    world.infer("a")
    world.say("a")
    world.say("a")

    exact = world.refresh(upto=2, only="feedback_events")
    assert len(world.rows("feedback_events", DAY)) == 1

    open_end = world.refresh(only="feedback_events")
    assert len(world.rows("feedback_events", DAY)) == 2
    tags = [world.instance.get_run_by_id(run.run_id).tags["feedback/upto_offset"] for run in (exact, open_end)]
    assert tags == ["2", "3"]


def test_a_run_again_gives_the_same_bytes(world: World) -> None:
    """Equal offsets give equal files, though the log has grown in between; what a run added is its own, and told so."""
    world.live(30, right=0.8)
    upto = world.head()
    world.refresh(upto=upto)
    before = stored(world)

    world.live(30, right=0.1, seed=1)
    world.refresh(upto=upto)

    assert stored(world) == before
    assert len(before) == 12


def stored(world: World) -> dict[Path, bytes]:
    """The lake's files, but for the list of those that a run added elsewhere."""
    found = sorted(world.lake.folder.rglob("*.parquet"))
    return {path: path.read_bytes() for path in found if path.parent.name != "feedback_lake"}


def test_spam_is_set_aside_and_left_out(world: World) -> None:
    """A label that nobody knows is quarantined by a named rule, shown, and counts nowhere."""
    world.live(40, right=1.0)
    spam = world.say("live-digits-0001-0-3", "explicit_correction", value={"corrected_label": "banana"})

    result = world.refresh(checked=True)

    [held] = world.rows("quarantined_feedback", DAY)
    assert (held["feedback_id"], held["broken_rules"]) == (spam, ["label_is_known"])
    assert spam not in {row["feedback_id"] for row in world.rows("attributed_feedback", DAY)}
    assert {row["label"] for row in world.rows("labeled_set")} == {'"0"', '"1"', '"2"'}
    assert spam in checks(result)["label_is_known"].metadata["failing rows"].value
    assert checks(result)["label_is_known"].passed


def test_feedback_of_one_day_finds_its_inference_of_another(world: World) -> None:
    """Attribution looks at the inferences of every day, whichever was refreshed first."""
    world.say("late", received=DAY)
    world.refresh(DAY, only="labeled_set")
    assert [row["state"] for row in world.rows("attributed_feedback", DAY)] == ["pending"]

    world.infer("late", received=NEXT_DAY)
    world.refresh(NEXT_DAY, only="labeled_set")
    world.refresh(DAY, only="labeled_set")

    assert [row["state"] for row in world.rows("attributed_feedback", DAY)] == ["attributed"]
    assert len(world.rows("labeled_set")) == 1


def test_a_retraction_of_a_later_day_undoes(world: World) -> None:
    """What is taken back counts nowhere once its day is refreshed again, even where the retraction breaks a rule."""
    world.infer("a")
    told = world.say("a", user_context={"user_id": "p_1"})
    world.refresh(DAY, only="labeled_set")
    assert len(world.rows("labeled_set")) == 1

    early = DAY - timedelta(hours=1)
    world.say("a", "retraction", at=early, received=NEXT_DAY, value={"retracts": told}, user_context={"user_id": "p_1"})
    world.refresh(NEXT_DAY, only="labeled_set")
    world.refresh(DAY, only="labeled_set")

    assert [row["broken_rules"] for row in world.rows("quarantined_feedback", NEXT_DAY)] == [
        ["feedback_after_inference"]
    ]
    assert [row["is_undone"] for row in world.rows("attributed_feedback", DAY)] == [True]
    assert world.rows("labeled_set") == []


def test_a_range_of_days_is_one_run_and_the_same_as_day_by_day(world: World) -> None:
    """A backfill of a range gives each day its own file, with the rows that a run of that day gives."""
    days = [DAY + timedelta(days=n) for n in range(3)]
    for n, day in enumerate(days):
        world.live(20, right=0.8, start=day, seed=n)
    world.say("later", received=days[0])
    world.infer("later", received=days[2])

    result = world.refresh(days[0], days[2], checked=True)
    at_once = {name: world.rows(name, day) for day in days for name in ("attributed_feedback", "feedback_metrics")}
    for day in days:
        world.refresh(day, only="feedback_metrics")

    assert result.success
    assert all(found.passed for found in checks(result).values())
    assert {name: world.rows(name, days[2]) for name in at_once} == at_once
    assert world.lake.days("attributed_feedback") == [str(day.date()) for day in days]
    assert world.rows("attributed_feedback", days[0])[-1]["state"] == "attributed"
    materialized = world.instance.get_materialized_partitions(dg.AssetKey("enriched_feedback"))
    assert materialized == {str(day.date()) for day in days}


def test_metrics_of_all_days_add_up_to_the_whole(world: World) -> None:
    """An event counts in the day it was received, and in the bucket in which it occurred."""
    world.live(20, right=1.0)
    world.say("live-digits-0001-0-0", "explicit_label", at=DAY, received=NEXT_DAY, value={"label": "0"})

    world.refresh(DAY, NEXT_DAY, only="feedback_metrics")

    volume = [row for row in world.rows("feedback_metrics") if row["metric"] == "volume"]
    assert sum(row["numerator"] for row in volume) == 21
    assert {row["received_day"] for row in volume} == {DAY.date(), NEXT_DAY.date()}


@pytest.mark.chaos
def test_judgements_of_two_days_are_compared(world: World) -> None:
    """They count in the day of the answer, which is refreshed again when a second judgement comes later."""
    world.infer("a", segments={"tier": "pro"})
    world.say("a", "explicit_binary", value={"positive": True}, user_context={"user_id": "p_1"})
    world.refresh(DAY, only="feedback_metrics")
    before = [row for row in world.rows("feedback_metrics") if row["metric"] == "disagreement"]
    after = world.head()

    world.say("a", "explicit_binary", received=NEXT_DAY, value={"positive": False}, user_context={"user_id": "p_2"})
    with Session(world.database.engine) as session:
        received, reached = changed_days(session, after, world.head())
    world.refresh(NEXT_DAY, only="feedback_metrics")
    world.refresh(DAY, only="feedback_metrics")

    assert (before, received, reached) == ([], [NEXT_DAY.date()], [DAY.date()])
    told = [row for row in world.rows("feedback_metrics") if row["metric"] == "disagreement"]
    assert {(row["segment"], row["received_day"], row["numerator"]) for row in told} == {
        ("", DAY.date(), 1),
        ("tier=pro", DAY.date(), 1),
    }


def test_a_metric_of_ones_own_is_in_the_table(world: World) -> None:
    """By the kind it was registered with, and only what was answered since is a case of it."""
    world.infer("before")
    world.register("redone", "per_answer")
    world.infer("a")
    world.say("a", "implicit_signal", value={"signal": "regenerate", "value": True}, metric="redone")

    world.refresh(only="feedback_metrics")

    told = [row for row in world.rows("feedback_metrics") if row["metric"] == "redone"]
    assert [(row["numerator"], row["denominator"]) for row in told] == [(1, 1)]


def test_a_run_that_failed_halfway_can_be_run_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables before the failure are whole, those after it are as they were, and the next run mends all."""
    world.live(20, right=0.8)
    world.refresh()
    world.live(20, right=0.8, seed=1)

    with monkeypatch.context() as broken:
        broken.setattr(meaning, "metrics_days", lambda *_: 1 / 0)
        failed = world.refresh()
    after_failure = len(world.rows("attributed_feedback", DAY)), len(world.rows("labeled_set"))
    again = world.refresh()

    assert not failed.success
    assert after_failure == (40, 40)
    assert again.success
    assert sum(row["denominator"] for row in world.rows("feedback_metrics") if row["metric"] == "accuracy") == 40


@pytest.mark.chaos
def test_a_run_of_the_sensor_goes_on_from_the_last_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts never change: only what is new is read from the log, and the table is the one that a whole run gives."""
    settled = {"feedback/days_left": "0"}
    world.live(20, right=0.8)
    strange = world.say("live-digits-0001-0-0", "explicit_rating", value={"stars": 3})
    world.refresh(**settled)
    upto = world.head()
    world.live(20, right=0.8, seed=1)
    read = []
    with monkeypatch.context() as watched:
        taken = flattening.flat_feedback
        watched.setattr(flattening, "flat_feedback", lambda rows: read.extend(row[0] for row in rows) or taken(rows))
        result = world.refresh(**settled)
    by_pieces = world.rows("feedback_events", DAY), world.rows("inferences", DAY)

    world.refresh()
    assert by_pieces == (world.rows("feedback_events", DAY), world.rows("inferences", DAY))
    assert len(by_pieces[0]) == 40 and min(read) > upto
    [event] = result.asset_materializations_for_node("feedback_events")
    assert event.metadata["unreadable offsets"].value == "[41]"
    assert strange not in {row["feedback_id"] for row in by_pieces[0]}

    world.refresh(upto=upto, **settled)
    assert len(world.rows("feedback_events", DAY)) == 20


def test_an_event_that_cannot_be_read_does_not_stop_the_day(world: World) -> None:
    """A row that an older version let in is left out and told by its offset."""
    world.live(5, right=1.0)
    world.say("live-digits-0001-0-0", "explicit_rating", value={"stars": 3})

    result = world.refresh(only="feedback_events")

    assert result.success
    [event] = result.asset_materializations_for_node("feedback_events")
    assert event.metadata["unreadable offsets"].value == "[11]"
    assert len(world.rows("feedback_events", DAY)) == 5


def test_the_log_with_a_hole_is_noticed(world: World) -> None:
    """Offsets are gapless for ever; a row that is gone turns a check red."""
    world.live(5, right=1.0)
    with world.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE staging.feedback_events DISABLE TRIGGER ALL"))
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM staging.feedback_events WHERE log_offset = 4"))

    result = world.job("export").execute_in_process(instance=world.instance, partition_key=str(DAY.date()))

    assert not checks(result)["log_is_gapless"].passed
