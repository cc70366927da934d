"""Position bias: how much more is clicked at the top, from what `exposure` events say was shown where."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    import ibis

LAST = 50
"""Further down is counted together."""


class Shown(NamedTuple):
    """How often something was shown at a position, and clicked there."""

    position: int
    shown: int
    clicked: int


def positions_of(feedback: Iterable[Mapping[str, Any]]) -> list[Shown]:
    """By position what the settled exposures and clicks among these rows (ATTRIBUTED_SCHEMA) say.

    A click counts once an inference and position, and only where the same inference was exposed.
    """
    shown: Counter[int] = Counter()
    exposed: set[tuple[str, int]] = set()
    clicks: set[tuple[str, int]] = set()
    for row in feedback:
        told = orjson.loads(row["feedback_value"])
        about = row["inference_request_id"]
        if row["feedback_type"] == "exposure":
            for item in told["items"]:
                position = min(item["position"], LAST)
                shown[position] += 1
                exposed.add((about, position))
        elif row["reward"] == 1 and "position" in told:
            clicks.add((about, min(told["position"], LAST)))
    clicked = Counter(position for _, position in clicks & exposed)
    return [Shown(position, count, clicked[position]) for position, count in sorted(shown.items())]


def position_counts(feedback: "ibis.Table") -> Mapping[tuple[int, str], list[Shown]]:
    """`positions_of` every model's settled feedback (ATTRIBUTED_SCHEMA), by project and model name."""
    import ibis

    kept = feedback.filter(feedback.state == "attributed", ~feedback.is_undone)
    keys = ["project_id", "model_name", "inference_request_id", "position"]
    told = kept.mutate(value=kept.feedback_value.cast("json"))
    exposures = told.filter(told.feedback_type == "exposure")
    items = exposures.mutate(item=exposures.value["items"].array.unnest())
    shown = (
        items.mutate(position=ibis.least(items.item["position"].int, LAST))
        .group_by(keys)
        .agg(shown=lambda t: t.count())
    )
    clicks = told.filter(told.feedback_type == "implicit_click", told.reward == 1)
    clicked = clicks.mutate(position=ibis.least(clicks.value["position"].int, LAST)).select(*keys).distinct()
    joined = shown.left_join(clicked, keys, rname="c_{name}")
    counts = joined.group_by(["project_id", "model_name", "position"]).agg(
        shown=joined.shown.sum().cast("int64"), clicked=joined.c_position.count()
    )
    found: dict[tuple[int, str], list[Shown]] = {}
    for row in counts.order_by("position").to_pyarrow().to_pylist():
        model = row["project_id"], row["model_name"]
        found.setdefault(model, []).append(Shown(row["position"], row["shown"], row["clicked"]))
    return found
