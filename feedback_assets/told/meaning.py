"""What the UI is told of enrichment and metrics."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feedback_assets.presentation import bar_plot, counts, line_plot, markdown_table, point_width_s
from feedback_loop.learning.metrics import collect, interval_of
from feedback_loop.learning.segments import ALL
from feedback_loop.learning.windows import tumbling_table

if TYPE_CHECKING:
    import ibis

SUMS = ("numerator", "denominator", "squares", "weights")
SHARES = ("accuracy", "satisfaction", "correction_rate", "reward_score")
"""The metrics that lie between 0 and 1, which are plotted together."""


def enrichment_told(rows: "ibis.Table") -> Mapping[str, Any]:
    """How sure the model was where it was right, where it was wrong, and where that is not known; what was missing."""
    sums = rows.group_by("correct").agg(
        rows=rows.count(),
        confidence=rows.confidence.mean(),
        entropy=rows.entropy.mean(),
        margin=rows.margin.mean(),
        novelty=rows.novelty.mean(),
    )
    missing = rows.select(missing=rows.missing.unnest())
    shares = _by_novelty(rows)
    return {
        "uncertainty": markdown_table(sums.order_by("correct").to_pyarrow().to_pylist()),
        "missing": markdown_table(counts(missing, "missing"), empty="nothing"),
        **({"novelty": bar_plot("share of answers by novelty", shares)} if shares else {}),
    }


def _by_novelty(rows: "ibis.Table") -> dict[str, dict[str, float]]:
    """Of the answers that were right, and of those that were wrong, the share in each fifth of novelty."""
    known = rows.filter(rows.novelty.notnull(), rows.correct.notnull())
    placed = known.mutate(fifth=(known.novelty * 5).floor().cast("int64").clip(upper=4))
    found = placed.group_by(["correct", "fifth"]).agg(rows=placed.count()).to_pyarrow().to_pylist()
    answers = {name: [row for row in found if row["correct"] == name] for name in (True, False)}
    return {
        "right" if name else "wrong": {
            f"from {fifth / 5:g}": sum(row["rows"] for row in each if row["fifth"] == fifth)
            / sum(row["rows"] for row in each)
            for fifth in range(5)
        }
        for name, each in answers.items()
        if each
    }


def judgements_told(rows: "ibis.Table") -> Mapping[str, Any]:
    """How good the answers of each version are to each reward model, and how many it could not judge."""
    keys = ["model_name", "model_version", "reward_model_version"]
    sums = rows.group_by(keys).agg(
        answers=rows.count(), reward_score=rows.reward_score.mean(), missing=rows.reward_score.isnull().sum()
    )
    return {
        "by version": markdown_table(
            sums.order_by(keys).to_pyarrow().to_pylist(), empty="no reward model was in force for any answer"
        )
    }


def metrics_told(rows: "ibis.Table") -> Mapping[str, Any]:
    """Each metric of each version with its interval, and the shares over event time, all versions together."""
    rows = rows.filter(rows.segment == ALL)
    keys = ["model_name", "model_version", "metric"]
    sums = rows.group_by(keys).agg(**{name: rows[name].sum() for name in SUMS}).order_by(keys)
    table = [_with_interval(row) for row in sums.to_pyarrow().to_pylist()]
    return {"metrics": markdown_table(table), "over time": line_plot("shares by event time", _lines(rows))}


def _lines(rows: "ibis.Table") -> dict[str, list[tuple[Any, float]]]:
    shares = rows.filter(rows.metric.isin(SHARES), rows.denominator > 0)
    width = point_width_s(shares, "bucket_start")
    windows = tumbling_table(shares, width, ["metric"]).order_by("metric", "start")
    lines: dict[str, list[tuple[Any, float]]] = {}
    for row in windows.to_pyarrow().to_pylist():
        lines.setdefault(row["metric"], []).append((row["start"], float(row["numerator"] / row["denominator"])))
    return lines


def _with_interval(row: dict[str, Any]) -> dict[str, Any]:
    up, down, squares, weights = (row[name] for name in SUMS)
    metric = collect().get(row["metric"])  # none of a project's own
    low, high = (interval_of(metric.interval, up, down, squares, weights) if metric else None) or (None, None)
    told = {"value": float(up / down) if down else None, "low": low, "high": high}
    return {name: value for name, value in row.items() if name not in ("squares", "weights")} | told
