"""Replay in the graph: what is kept, what stays out, that it is rebuilt the same, and that its learners report."""

from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from feedback_assets.sensors.replayed import replayed
from tests.assets.test_routing import define
from tests.assets.world import DAY, World

GOOD, BAD = {"positive": True}, {"positive": False}


def asked(world: World, name: str, at_s: int, action: str, **more: Any) -> None:
    outputs = [{"output_id": "A", "content": {"label": action}, "propensity": 0.5, "probabilities": [0.8, 0.2]}]
    world.infer(name, at=DAY + timedelta(seconds=at_s), inputs={"cell": name}, outputs=outputs, **more)


def rated(world: World, about: str, value: Any, session: str | None = None, **more: Any) -> str:
    context = {"user_context": {"session_id": session, **more.pop("context", {})}} if session else {}
    return world.say(about, "explicit_binary", value=value, **context, **more)


def replay(world: World) -> dict[str, Any]:
    """Runs the job; what it told of each asset."""
    result = world.job("replay").execute_in_process(instance=world.instance)
    events = result.get_asset_materialization_events()
    return {each.asset_key.to_user_string(): each.materialization.metadata for each in events}


def test_episodes_are_in_order_whatever_order_they_came_in(world: World) -> None:
    """States follow each other as they were asked, whenever they and their feedback arrived; the last is terminal."""
    asked(world, "second", 20, "right")
    rated(world, "second", GOOD, "s")
    rated(world, "first", BAD, "s")
    asked(world, "first", 10, "left")
    asked(world, "alone", 5, "left")
    rated(world, "alone", GOOD)
    for name, step in (("later", 2), ("sooner", 1)):
        asked(world, name, 10, "left")
        rated(world, name, GOOD, episode_id="told", step=step)
    world.refresh(only="labeled_set")

    replay(world)

    rows = {row["inference_request_id"]: row for row in world.rows("replay_buffer")}
    assert (rows["first"]["step"], rows["first"]["next_state"]) == (0, '{"cell":"second"}')
    assert rows["first"]["next_offset"] == rows["second"]["log_offset"]
    assert (rows["second"]["step"], rows["second"]["is_last"], rows["second"]["next_state"]) == (1, True, None)
    assert rows["sooner"]["next_offset"] == rows["later"]["log_offset"]
    assert (rows["alone"]["episode"], rows["alone"]["is_last"]) == ("alone", True)
    assert (rows["first"]["reward"], rows["first"]["action"], rows["first"]["propensity"]) == (0.0, '"left"', 0.5)
    assert round(rows["first"]["priority"], 6) == 0.8


def test_what_may_not_be_learnt_from_is_not_replayed(world: World) -> None:
    """Undone, without consent, unattributed: none is in the buffer, and what is newest about an inference counts."""
    for place, name in enumerate(("undone", "private", "twice", "kept")):
        asked(world, name, place, "left")
    undone = rated(world, "undone", GOOD)
    world.say("undone", "retraction", value={"retracts": undone})
    rated(world, "private", GOOD, "s", context={"consent": {"training": False}})
    rated(world, "nobody", GOOD)
    for value in (GOOD, BAD):
        rated(world, "twice", value)
    rated(world, "kept", GOOD)
    world.refresh(only="labeled_set")

    replay(world)

    found = {row["inference_request_id"]: row["reward"] for row in world.rows("replay_buffer")}
    assert found == {"twice": 0.0, "kept": 1.0}


def test_a_route_says_what_is_replayed(world: World) -> None:
    """Once a project routes feedback to the replay buffer, that alone is in it."""
    asked(world, "before", 0, "left")
    rated(world, "before", GOOD)
    define(world, {"route_id": "bad", "where": {"reward": {"max": 0.5}}, "sinks": ["replay_buffer"]})
    for name, value in (("good", GOOD), ("bad", BAD)):
        asked(world, name, 1, "left")
        rated(world, name, value)
    world.refresh(only="labeled_set")

    replay(world)

    assert [row["inference_request_id"] for row in world.rows("replay_buffer")] == ["bad"]


@pytest.mark.chaos
def test_the_learners_report_and_a_rebuild_is_the_same(world: World) -> None:
    """A policy is learnt and judged, forgetting is drawn; made again as of its offset the snapshot is the same."""
    world.live(240, right=0.6)
    for place in range(60):
        asked(world, f"try {place}", 1_000 + place, ("left", "right")[place % 2], model_name="walker")
        rated(world, f"try {place}", GOOD if place % 2 else BAD, at=DAY + timedelta(seconds=1_100))
    world.refresh(only="labeled_set")
    told = replay(world)
    before = world.rows("replay_buffer")

    upto = world.head()
    world.live(20, right=0.1, seed=9)
    world.refresh(upto=upto, only="labeled_set")
    replay(world)

    assert before == world.rows("replay_buffer") and len(before) == 300
    policies = {row["model_name"]: row for row in world.rows("replayed_policy")}
    assert policies["walker"]["actions"] == 2 and "decisions" in policies["walker"]["refusal"]
    assert "propensity" in policies["digits"]["refusal"]
    assert [row["task"] for row in world.rows("rehearsal_report")] == [f"stretch {n}" for n in (1, 2, 3, 4)]
    assert "![digits: accuracy on each stretch" in told["rehearsal_report"]["accuracy"].value
    assert "| digits | 240 | 240 |" in told["replay_buffer"]["kept"].value


def test_an_empty_log_is_replayed_without_failing(world: World) -> None:
    """Two answers of one kind: nothing to learn, and each report says why."""
    for name in ("a", "b"):
        asked(world, name, 0, "left")
        world.say(name, value={"label": "left"})
    world.refresh(only="labeled_set")

    told = replay(world)

    assert "1 kinds of action" in world.rows("replayed_policy")[0]["refusal"]
    assert "it takes two of each" in told["rehearsal_report"]["forgetting"].value


def test_a_retraining_is_followed_by_a_replay(world: World) -> None:
    """One run each, by the sensor; none while one is at work."""
    trained = world.instance.create_run_for_job(world.job("retrain"), status=dg.DagsterRunStatus.SUCCESS)
    context = dg.build_run_status_sensor_context(
        "replayed", dg.DagsterEvent("PIPELINE_SUCCESS", trained.job_name), world.instance, trained
    )

    first = replayed(context)
    world.instance.create_run_for_job(world.job("replay"), status=dg.DagsterRunStatus.STARTED)
    second = replayed(context)

    assert isinstance(first, dg.RunRequest) and first.run_key == f"replay-{trained.run_id}"
    assert isinstance(second, dg.SkipReason)
