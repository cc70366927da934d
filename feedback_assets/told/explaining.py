"""What the UI is told of failure slices and of what weighed in wrong answers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feedback_assets.presentation import bar_plot, markdown_table

if TYPE_CHECKING:
    import ibis

SHOWN = 10


def slices_told(rows: "ibis.Table") -> Mapping[str, Any]:
    """The slices that fail more than the rest, each beside the rest; where there are none, the nearest to it."""
    found = rows.to_pyarrow().to_pylist()
    failing = [row for row in found if row["is_found"]][:SHOWN]
    bars = {
        "slice": {_name(row): row["rate"] for row in failing},
        "the rest": {_name(row): row["rest_rate"] for row in failing},
    }
    told = {"failing": markdown_table(failing, empty="no slice fails more often than the rest, beyond chance")}
    plot = {"wrong answers": bar_plot("share of wrong answers", bars)} if failing else {}
    return {**told, **plot, "looked at": len(found)}


def attributions_told(rows: "ibis.Table") -> Mapping[str, Any]:
    """The features that weighed most over all explained answers."""
    sums = rows.group_by("model_name", "feature").agg(answers=rows.count(), weight=rows.value.abs().mean())
    newest = sums.order_by(sums.answers.desc(), sums.weight.desc(), "feature").limit(SHOWN)
    return {"weighed most": markdown_table(newest.to_pyarrow().to_pylist(), empty="no wrong answer to explain")}


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['attribute']}\n{row['value']}"
