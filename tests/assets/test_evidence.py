"""Evidence in the graph: a bias that was found is told once and shown."""

from typing import Any

import dagster as dg
import orjson
import pytest

from feedback_assets.sensors.drift import drift
from feedback_ingest.decisions import Decider
from feedback_loop.learning.standing_triggers import Trigger, Wanted
from feedback_loop.registry import dataset_shelf
from feedback_loop.stream.standing import ProjectTriggers
from tests.assets.test_sensors import Sensor
from tests.assets.world import DAY, World

LIKED, DISLIKED = {"positive": True}, {"positive": False}


def answered(world: World, start: int, count: int, tier: str, every: int, bad: int) -> None:
    """`count` inferences of a tier; every n-th is spoken of, and of those every `bad`-th is disliked."""
    rows: list[Any] = []
    for n in range(start, start + count):
        outputs = [{"output_id": "A", "content": "a"}]
        body = {"inference_request_id": f"i{n}", "model_name": "digits", "model_version": "digits-0001"}
        rows.append(("inference", f"i{n}", {**body, "outputs": outputs, "segments": {"tier": tier}}, DAY, DAY))
        if n % every == 0:
            value = DISLIKED if (n // every) % bad == 0 else LIKED
            rows.append(("feedback", *world.feedback(f"i{n}", "explicit_binary", value=value), DAY, DAY))
    world._append(rows)


def asked_by_bias(world: World) -> list[dg.RunRequest]:
    """What the sensor requests for a trigger of the project that holds where a bias stands in the log."""
    trigger = Trigger(trigger_id="fair", conditions=(Wanted(kind="bias", at_least=1),), min_labels=0)
    with world.log.session() as session:
        ProjectTriggers(session, 1).define(trigger, Decider("somebody", world.pepper), DAY)
    return Sensor(world, drift).look()


def test_a_bias_is_told_once_and_shown(world: World) -> None:
    """A loud tier sends most of the negatives: a fact says so, a second look says nothing new, the UI shows it all.

    A trigger that asks for it starts a training.
    """
    answered(world, 0, 200, "loud", 1, 2)
    answered(world, 200, 480, "quiet", 20, 7)
    world.refresh(only="drift_report")
    world.job("evidence").execute_in_process(instance=world.instance)
    result = world.job("evidence").execute_in_process(instance=world.instance)

    [fact] = world.facts("bias_detected", "bias_resolved")
    [row] = world.rows("bias_report")
    events = result.get_asset_materialization_events()
    [told] = [each.materialization.metadata for each in events if each.asset_key == dg.AssetKey("bias_report")]
    assert fact.body["model_name"] == "digits" and (fact.body["served"], fact.body["answered"]) == (680, 224)
    assert any("of negatives come from tier=loud, with 29% of traffic" in each for each in fact.body["reasons"])
    assert row["is_biased"] and orjson.loads(row["report"])["segments"][0]["name"] == "tier"
    assert "tier=loud" in told["findings"].value and "tier=quiet" in told["segments"].value
    assert told["digits by tier"].value.startswith("![digits by tier: shares of traffic and of answers](data:")
    assert "| digits | 224 |" in told["liking"].value
    assert "| digits | tier |" in told["estimates"].value
    [request] = asked_by_bias(world)
    assert request.tags["feedback/reason"] == f"trigger fair: {len(fact.body['findings'])} findings of bias"


def test_a_dataset_holds_nobodys_flood_and_nothing_without_consent(world: World) -> None:
    """One user's labels are held to what their part may be, and the manifest names them; consent is asked of each."""
    for n in range(170):
        world.infer(f"i{n}")
    for n in range(170):
        user = {"user_id": "p_evil" if n < 70 else f"p_{n}", "consent": {"training": n % 10 != 9}}
        world.say(f"i{n}", "explicit_label", user_context=user, pass_probability=0.5)
    world.refresh(only="labeled_set")

    world.job("dataset").execute_in_process(instance=world.instance)

    [row] = world.rows("training_dataset")
    root = dataset_shelf.root(world.data_dir, 1)
    dataset = dataset_shelf.read(root, row["dataset_version"])
    told = dataset.manifest["contributors"]
    rows = dataset.rows().to_pylist()
    assert told["most"][0]["actor"] == "u:p_evil" and told["most"][0]["rows"] <= 0.03 * len(rows)
    assert told["actors"] > 60 and told["rows"] == len(rows)
    assert {each["weight"] for each in rows} == {2.0}
    assert all(int(each["inference_request_id"][1:]) % 10 != 9 for each in rows)


@pytest.mark.chaos
def test_a_dataset_weighs_as_traffic_does_and_is_refused_where_it_cannot(
    world: World,
) -> None:
    """The few labels of the quiet weigh more, and the manifest says so; for the silent nobody can speak."""
    for n in range(300):
        world.infer(f"i{n}", segments={"tier": "loud" if n < 90 else "quiet"})
    for n in (*range(90), *range(90, 300, 15)):
        world.say(f"i{n}", "explicit_label")
    world.refresh(only="labeled_set")

    world.job("dataset").execute_in_process(instance=world.instance)
    for n in range(100):
        world.infer(f"s{n}", segments={"tier": "silent"})
    world.refresh(only="labeled_set")
    refused = world.job("dataset").execute_in_process(instance=world.instance, raise_on_error=False)

    [row] = world.rows("training_dataset")
    dataset = dataset_shelf.read(dataset_shelf.root(world.data_dir, 1), row["dataset_version"])
    weights: dict[bool, set[float]] = {True: set(), False: set()}
    for each in dataset.rows().to_pylist():
        weights[int(each["inference_request_id"][1:]) < 90].add(each["weight"])
    assert max(weights[True]) < 0.5 and min(weights[False]) > 3
    [skew] = dataset.manifest["skews"]
    assert skew["name"] == "tier" and skew["psi_weighted"] < 0.1 < 1 < skew["psi"]
    [failure] = [each for each in refused.all_events if each.is_step_failure]
    assert "Unrepresentative" in str(failure.event_specific_data) and len(world.facts("dataset_compiled")) == 1


@pytest.mark.chaos
def test_users_are_judged_by_what_is_known_and_their_rows_weigh_accordingly(world: World) -> None:
    """Who is mostly wrong about what turned out to be true weighs nothing, told once; a person's word ends it."""
    for n in range(30):
        right, wrong = ("0", "1") if n % 2 else ("1", "0")
        world.infer(f"i{n}", right)
        for user, label in (("p_good", right), ("p_bad", wrong)):
            world.say(f"i{n}", "explicit_label", value={"label": label}, user_context={"user_id": user})
        if n < 25:
            world.say(f"i{n}", "ground_truth", value={"label": right}, source={"kind": "system"})
    for n in range(36):
        right = "0" if n % 2 else "1"
        world.say(f"i{n % 18}", "explicit_label", value={"label": right}, user_context={"user_id": f"p_other{n}"})
    world.refresh(only="labeled_set")
    for _ in range(2):
        result = world.job("evidence").execute_in_process(instance=world.instance)
    world.refresh(only="labeled_set")

    [fact] = world.facts("actor_weighed", "actor_suspended", "actor_held")
    rows = {row["user_ref"]: row for row in world.rows("trust_report")}
    events = result.get_asset_materialization_events()
    [told] = [each.materialization.metadata for each in events if each.asset_key == dg.AssetKey("trust_report")]
    labels = {row["inference_request_id"]: row for row in world.rows("labeled_set")}
    assert (fact.body["subject"], fact.body["signal"], fact.body["weight"]) == ("p_bad", "disagreement", 0.0)
    [users] = [row for row in world.rows("fidelity_report") if (row["source"], row["segment"]) == ("end_user", "")]
    assert (users["events"], orjson.loads(users["parts"])["agreement"]["value"]) == (66, 1.0)
    assert (rows["p_bad"]["compared"], rows["p_bad"]["agreed"], rows["p_bad"]["standing"]) == (25, 0, "weighed")
    assert (rows["p_good"]["agreed"], rows["p_good"]["weight"]) == (25, 1.0)
    assert "p_bad" in told["not heard in full"].value and told["agreement"].value.startswith("![share of users")
    assert {labels[f"i{n}"]["user_ref"] for n in range(25, 30)} == {"p_good"}


@pytest.mark.chaos
def test_a_source_that_becomes_worse_is_told_once_and_shown(world: World) -> None:
    """Users who label well and then do not: a fact with the figures, once, and the scores with their parts."""
    for n in range(240):
        right, wrong = ("0", "1") if n % 4 < 2 else ("1", "0")
        world.infer(f"i{n}", right, segments={"tier": "pro"})
        label = right if n < 120 or n % 2 else wrong
        world.say(f"i{n}", "explicit_label", value={"label": label}, user_context={"user_id": f"p_{n}"})
        world.say(f"i{n}", "ground_truth", value={"label": right}, source={"kind": "system"})
    world.refresh(only="labeled_set")
    for _ in range(2):
        result = world.job("evidence").execute_in_process(instance=world.instance)

    facts = world.facts("fidelity_degraded", "fidelity_restored")
    rows = {(row["source"], row["segment"]): row for row in world.rows("fidelity_report")}
    events = result.get_asset_materialization_events()
    [told] = [each.materialization.metadata for each in events if each.asset_key == dg.AssetKey("fidelity_report")]
    assert {(fact.kind, fact.body["source"], fact.body["segment"]) for fact in facts} == {
        ("fidelity_degraded", "end_user", ""),
        ("fidelity_degraded", "end_user", "tier=pro"),
    }
    assert "agreement fell from 1.00" in facts[0].body["reason"] and len(facts) == 2
    assert orjson.loads(rows["end_user", ""]["parts"])["agreement"]["value"] == 0.75
    assert rows["system", ""]["worse"] is None
    assert "agreement fell" in told["worse than before"].value and told["worth of digits"].value.startswith("![digits")
