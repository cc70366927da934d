"""Failure slices in the graph: a planted one is found and drawn, and what clients log of attributions counts."""

import pytest

from tests.assets.world import World


def test_a_planted_slice_is_found_and_drawn(world: World) -> None:
    """Of the answers of one segment half are wrong, and so are those that one feature weighed most in.

    No model has been promoted: nothing is explained, and that is no error.
    """
    for n in range(90):
        tier, truth = ("free", "pro")[n % 2], "1" if n % 4 else "2"
        world.infer(f"i{n}", segments={"tier": tier}, feature_attributions={tier: -0.9})
        world.say(f"i{n}", value={"label": truth}, source={"kind": "system"})
    world.refresh(only="labeled_set")

    result = world.job("evidence").execute_in_process(instance=world.instance)

    assert result.success
    rows = {(row["attribute"], row["value"]): row for row in world.rows("failure_slices")}
    assert {key for key, row in rows.items() if row["is_found"]} == {("segment tier", "free"), ("weighed most", "free")}
    free = rows["segment tier", "free"]
    assert (free["answers"], free["rest_rate"]) == (45, 0.0) and free["low"] < free["rate"] < free["high"]
    [told] = [event.metadata for event in result.asset_materializations_for_node("failure_slices")]
    assert "data:image/png" in told["wrong answers"].value
    assert world.rows("feature_attributions") == []


@pytest.mark.chaos
def test_a_champions_wrong_answers_are_explained(world: World) -> None:
    """Once a model was promoted, what weighed most in its newest wrong answers is told, the largest first."""
    world.live(300, right=0.6)
    world.refresh(only="labeled_set")
    assert world.retrain().success
    [verdict] = world.rows("champion_model")
    world.live(60, right=0.5, version=verdict["serving_version"], seed=3)
    world.refresh(only="labeled_set")

    assert world.job("evidence").execute_in_process(instance=world.instance).success

    rows = world.rows("feature_attributions")
    assert {row["model_version"] for row in rows} == {verdict["serving_version"]}
    assert {row["feature"] for row in rows} <= {"pixels.0", "pixels.1", "pixels.2"}
    sizes = [abs(row["value"]) for row in rows if row["inference_request_id"] == rows[0]["inference_request_id"]]
    assert len(sizes) == 3 and sizes == sorted(sizes, reverse=True)
