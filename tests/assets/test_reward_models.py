"""Reward models in the graph: learnt from pairs, in force from then on, and told alike by the stream and the graph."""

import random
import re
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from sqlmodel import Session, select

from examples.support_desk.corpus import Reply, prefers_first, reply, ticket
from feedback_assets import facts
from feedback_assets.reconciliation import reconcile_enrichments, reconcile_metrics
from feedback_assets.sensors.new_pairs import new_pairs
from feedback_loop.learning.reward_model import TRAINED
from feedback_loop.registry.reward_models import judges
from feedback_loop.registry.tables import KnownVersion
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.rebuild import rebuild
from tests.assets.world import DAY, World
from tests.stream.events import kept


def compared(world: World, count: int, seed: int, prefers: Any = prefers_first) -> None:
    """So many tickets, each with two answers of which a customer of their own prefers one."""
    chance, rows = random.Random(seed), []
    for n in range(count):
        asked = ticket(chance)
        first, second = (reply(chance, asked.topic, asked.topic, is_careful) for is_careful in (True, False))
        name, better = f"pair-{seed}-{n}", "A" if prefers(chance, first, second) else "B"
        rows.append(("inference", name, answer(name, asked.text, first.text, second.text), DAY, DAY))
        said = world.feedback(
            name,
            "preference_pair",
            value={"preferred_output_id": better},
            model_name="desk",
            model_version="desk-1",
            user_context={"user_id": f"user-{seed}-{n}"},
        )
        rows.append(("feedback", *said, DAY + timedelta(seconds=n), DAY + timedelta(seconds=n)))
    world._append(rows)


def answer(name: str, asked: str, *texts: str) -> dict[str, Any]:
    outputs = [{"output_id": output, "content": {"text": text}} for output, text in zip("AB", texts, strict=False)]
    return {
        "inference_request_id": name,
        "model_name": "desk",
        "model_version": "desk-1",
        "inputs": {"text": asked},
        "outputs": outputs,
    }


def learnt(world: World) -> dict[str, Any]:
    """Runs the job; what it told."""
    result = world.job("prefer").execute_in_process(instance=world.instance)
    [event] = result.get_asset_materialization_events()
    return dict(event.materialization.metadata)


@pytest.mark.chaos
def test_where_nobody_compared_anything_it_says_so(world: World) -> None:
    """No pairs, then too few: the asset is there, tells why it is empty, and nothing was compiled."""
    world.infer("a")
    world.say("a")
    world.refresh()
    nothing = learnt(world)

    compared(world, 5, seed=1)
    world.refresh()
    few = learnt(world)

    assert "no pairs yet" in nothing["reward models"].value
    assert "5 pairs, of which 5 are new: too few" in few["reward models"].value
    assert world.facts(TRAINED) == world.facts(facts.DATASET_COMPILED) == []


def test_preferences_become_a_judge_of_answers(world: World) -> None:
    """It beats both baselines on pairs held out, is on the shelf with its dataset, and judges what comes after it."""
    compared(world, 300, seed=2)
    world.infer("before", **answer("before", "where is my parcel", "Thank you for telling us."))
    assert world.refresh().success
    told = learnt(world)
    learnt(world)
    [fact] = world.facts(TRAINED)
    for name, text in (("kind", "I gladly help with that. The courier brings the parcel again tomorrow before noon."),
                       ("cold", "This is not our fault. We will look into it.")):  # fmt: skip
        world.infer(name, **answer(name, "where is my parcel", text))
        world.say(name, "explicit_binary", value={"positive": True}, model_name="desk", model_version="desk-1")
    world.say("before", "explicit_binary", value={"positive": True}, model_name="desk", model_version="desk-1")
    world.infer("label", model_name="desk", model_version="desk-1")
    assert world.refresh().success
    again = learnt(world)
    catch_up(world.database, world.log.settings)
    enriched = world.lake.read("enriched_feedback", world.lake.days("enriched_feedback"))

    scores = {row["inference_request_id"]: row["reward_score"] for row in world.rows("judged_answers")}
    rows = {row["inference_request_id"]: row for row in world.rows("enriched_feedback")}
    body = fact.body
    assert body["is_in_force"] and body["held_out"] >= 30
    assert body["pair_accuracy_model"] > max(body["pair_accuracy_length"], body["pair_accuracy_majority"])
    assert "![desk: pair accuracy on pairs held out]" in told["pair accuracy of desk"].value
    assert re.search(r"\| desk \| 300 \| \d+ \| 0\.", told["reward models"].value)
    assert set(scores) == {"kind", "cold", "label"} and scores["label"] is None
    assert scores["kind"] > 0.5 > scores["cold"]
    assert rows["kind"]["reward_model_version"] == body["model_version"] == body["dataset_version"]
    assert rows["before"]["reward_score"] is None and "reward_score" not in rows["before"]["missing"]
    metric = [row for row in world.rows("feedback_metrics") if row["metric"] == "reward_score" and not row["segment"]]
    assert [float(row["numerator"]) for row in metric] == [pytest.approx(scores["kind"] + scores["cold"], abs=2e-6)]
    assert "0 are new: too few" in again["reward models"].value
    assert reconcile_enrichments(world.database.engine, enriched).is_equal
    assert reconcile_metrics(world.database.engine, world.log.settings.bucket_s).is_equal


@pytest.mark.chaos
def test_the_stream_says_the_same_and_a_rebuild_too(world: World) -> None:
    """Live scores and metrics are the graph's; without the artifact the next answers are missing, and nothing waits."""
    compared(world, 300, seed=3)
    world.refresh()
    learnt(world)
    chance = random.Random(4)
    for n in range(30):
        asked = ticket(chance)
        text = reply(chance, asked.topic, asked.topic, True).text
        world.infer(f"r{n}", **answer(f"r{n}", asked.text, text))
        world.say(f"r{n}", "explicit_binary", value={"positive": True}, model_name="desk", model_version="desk-1")
    world.refresh()
    settings = world.log.settings
    catch_up(world.database, settings)

    enriched = world.lake.read("enriched_feedback", world.lake.days("enriched_feedback"))
    found = reconcile_enrichments(world.database.engine, enriched)
    live = kept(world.database)
    scored = [row for row in live["live_metrics"] if "reward_score" in row]
    rebuild(world.database, settings)

    assert found.is_equal and found.compared == 330, found.some
    metrics = reconcile_metrics(world.database.engine, settings.bucket_s)
    assert metrics.is_equal and scored, metrics.some
    assert kept(world.database) == live

    with Session(world.database.engine) as session:
        known = session.exec(select(KnownVersion).where(KnownVersion.model_name == "desk.reward")).one()
        known.artifact_sha256 = "0" * 64
        session.commit()
        assert judges(session, world.head()).since()[0].model is None
    world.infer("lost", **answer("lost", "?", "Thank you"))
    world.say("lost", "explicit_binary", value={"positive": True}, model_name="desk", model_version="desk-1")
    world.refresh()
    catch_up(world.database, settings)
    [row] = [row for row in world.rows("enriched_feedback") if row["inference_request_id"] == "lost"]
    assert row["reward_score"] is None and "reward_score" in row["missing"]


@pytest.mark.chaos
def test_a_model_that_is_no_better_than_length_judges_nobody(world: World) -> None:
    """Where the longer answer is always preferred the fact says why it is not in force, and no answer gets a score."""

    def longer(chance: random.Random, first: Reply, second: Reply) -> bool:
        return len(first.text) > len(second.text)

    compared(world, 100, seed=5, prefers=longer)
    world.refresh()
    learnt(world)
    [fact] = world.facts(TRAINED)

    assert not fact.body["is_in_force"] and fact.body["reason"].endswith("no better")
    with world.log.session() as session:
        assert judges(session, world.head()).since() == []


def test_the_sensor_asks_once_for_enough_new_pairs(world: World) -> None:
    """It counts what was refreshed, each pair once, and fewer than eighty are none; nor are ties, what was taken back,
    and what people do not want to be learnt from.
    """
    compared(world, 80, seed=6)
    world.say("pair-6-0", "retraction", value={"retracts": world.facts("feedback")[0].id.upper()})
    value = {"preferred_output_id": "A"}
    world.say("pair-6-1", "preference_pair", value={**value, "tie": True}, model_name="desk")
    refused = {"user_id": "u", "consent": {"training": False}}
    world.say("pair-6-2", "preference_pair", value=value, user_context=refused, model_name="desk")
    ticked: list[Any] = []

    def tick(cursor: str | None) -> str | None:
        context = dg.build_sensor_context(world.instance, cursor=cursor, resources={"log": world.log})
        ticked.append(new_pairs(context))
        return getattr(ticked[-1], "cursor", None) or context.cursor

    def refreshed() -> None:
        tags = {"feedback/upto_offset": str(world.head()), "feedback/days_left": "0"}
        world.instance.create_run_for_job(world.job("refresh"), status=dg.DagsterRunStatus.SUCCESS, tags=tags)

    cursor = tick(None)
    refreshed()
    cursor = tick(cursor)
    compared(world, 1, seed=7)
    cursor = tick(cursor)
    refreshed()
    cursor = tick(cursor)
    tick(cursor)

    requests = [getattr(each, "run_requests", None) for each in ticked]
    assert [bool(each) for each in requests] == [False, False, False, True, False]
