"""Review in the graph: what people said is told as the log has it, and what they marked golden is never learnt from."""

from typing import Any

import dagster as dg
import ibis
import pytest

from feedback_assets.partitions import UPTO_TAG
from feedback_assets.sensors.new_verdicts import new_verdicts
from feedback_ingest.decisions import Decider
from feedback_loop.learning import membership
from feedback_loop.learning.reviewing import ReviewQueue
from feedback_loop.review.opening import NewTask, open_tasks
from tests.assets.world import World, checks
from tests.review.reviewers import START, Office

GOLDEN = {"label": "2", "task_id": "t", "annotators": ["p_a"], "method": "expert", "golden": True}


def judged(world: World) -> Office:
    """Two people, each with a gold item first; of three items they agree on two."""
    queue = ReviewQueue(queue_id="pets", overlap=2, training=1, golden=True)
    office = Office(world.database, world.pepper, queue)
    world.infer("known", "cat", at=START)
    with office.session() as session:
        gold = NewTask(inference_request_id="known", gold={"label": "cat"})
        open_tasks(session, 1, queue, [gold], Decider("boss", world.pepper), office.now())
    office.open(3)
    for reviewer, said in (("ann", ("cat", "cat", "cat", "cat")), ("bob", ("dog", "cat", "cat", "dog"))):
        for label in said:
            office.submit(reviewer, office.claim(reviewer), label)
    return office


def test_the_graph_tells_what_people_said(world: World) -> None:
    """Items, labels and reviewers from the facts alone; verdicts are golden labels, and every promise is checked."""
    judged(world)
    world.refresh(START, only="labeled_set")
    result = world.job("people").execute_in_process(instance=world.instance)

    states = [(row["state"], row["labels"], row["wanted"]) for row in world.rows("review_queue")]
    assert sorted(states) == [("decided", 2, 2), ("decided", 2, 2), ("disputed", 2, 2), ("open", 2, 0)]
    assert len(world.rows("review_labels")) == 8
    told = {row["reviewer"]: row for row in world.rows("reviewer_quality")}
    assert [(told[name]["gold_right"], told[name]["gold_asked"]) for name in ("ann", "bob")] == [(1, 1), (0, 1)]
    assert [(told[name]["agreed"], told[name]["judged"]) for name in ("ann", "bob")] == [(2, 2), (2, 2)]
    golden = world.rows("golden_set")
    assert [(row["label"], row["source_type"]) for row in golden] == [('"cat"', "review_label")] * 2
    assert len(world.lake.note("golden_set")) == 64
    assert {name: each.passed for name, each in checks(result).items()} == {
        "labels_are_as_asked": True,
        "verdicts_are_feedback": True,
    }
    events = {event.asset_key: event.materialization.metadata for event in result.get_asset_materialization_events()}
    assert events[dg.AssetKey("reviewer_quality")]["how right"].value.startswith("![right on gold items")
    assert events[dg.AssetKey("golden_set")]["golden_version"].value == world.lake.note("golden_set")[:12]


def test_golden_rows_are_never_trained_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reviewer's word keeps an answer out for good, a later label too; planted, a leak fails the check."""
    world.live(60, right=0.9)
    world.say("live-digits-0001-0-7", "review_label", value=GOLDEN, source={"kind": "reviewer"})
    later: dict[str, Any] = {**GOLDEN, "golden": False, "task_id": "u"}
    world.say("live-digits-0001-0-7", "review_label", value=later, source={"kind": "reviewer"})
    world.refresh(only="labeled_set")
    world.job("people").execute_in_process(instance=world.instance)

    held_out = world.job("dataset").execute_in_process(instance=world.instance)
    monkeypatch.setattr(membership, "is_held_out", lambda *_: ibis.literal(False))
    leaked = world.job("dataset").execute_in_process(instance=world.instance)

    assert "live-digits-0001-0-7" in {row["inference_request_id"] for row in world.rows("golden_set")}
    assert [checks(each)["golden_is_held_out"].passed for each in (held_out, leaked)] == [True, False]


def test_the_sensor_sees_what_is_no_feedback_yet(world: World) -> None:
    """A run for what people said, none for anything else, and none twice."""
    world.infer("a")
    context = dg.build_sensor_context(instance=world.instance)
    assert isinstance(new_verdicts(context, log=world.log), dg.SkipReason)
    judged(world)

    context = dg.build_sensor_context(instance=world.instance, cursor=context.cursor)
    found = new_verdicts(context, log=world.log)
    assert isinstance(found, dg.SensorResult) and found.run_requests
    assert [request.tags[UPTO_TAG] for request in found.run_requests] == [str(world.head())]
    again = dg.build_sensor_context(instance=world.instance, cursor=found.cursor)
    assert isinstance(new_verdicts(again, log=world.log), dg.SkipReason)
