"""Failure slices in the graph: a planted one is found and drawn, and what clients log of attributions counts."""

from tests.assets.world import World


def test_a_planted_slice_is_found_and_drawn(world: World) -> None:
    """Of the answers of one segment half are wrong, and so are those that one feature weighed most in.

    No model has been promoted: nothing is explained, and that is no error.
    """
    for n in range(90):
        tier, truth = ("free", "pro")[n % 2], "1" if n % 4 else "2"
        world.infer(f"i{n}", segments={"tier": tier}, feature_attributions={tier: -0.9})
        world.say(f"i{n}", value={"label": truth}, source={"kind": "system"})
    world.refresh()

    result = world.job("evidence").execute_in_process(instance=world.instance)

    assert result.success
    rows = {(row["attribute"], row["value"]): row for row in world.rows("failure_slices")}
    assert {key for key, row in rows.items() if row["is_found"]} == {("segment tier", "free"), ("weighed most", "free")}
    free = rows["segment tier", "free"]
    assert (free["answers"], free["rest_rate"]) == (45, 0.0) and free["low"] < free["rate"] < free["high"]
    [told] = [event.metadata for event in result.asset_materializations_for_node("failure_slices")]
    assert "data:image/png" in told["wrong answers"].value
    assert world.rows("feature_attributions") == []
