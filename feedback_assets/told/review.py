"""What the UI is told of review: the queues, the labels, the reviewers, the golden rows and the audits."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feedback_assets.presentation import bar_plot, counts, line_plot, markdown_table, sample
from feedback_assets.review_tables import version

if TYPE_CHECKING:
    import ibis


def queue_told(rows: "ibis.Table") -> Mapping[str, Any]:
    """What waits and what was found, and why people were asked."""
    columns = ("queue_id", "inference_request_id", "policy_id", "reason", "priority", "labels", "wanted", "state")
    return {
        "by state": markdown_table(counts(rows, "queue_id", "state"), empty="nobody was asked anything"),
        "by policy": markdown_table(counts(rows, "policy_id", "state"), empty="none"),
        "newest": markdown_table(sample(rows.order_by(rows.opened_at.desc()), *columns), empty="none"),
    }


def labels_told(rows: "ibis.Table") -> Mapping[str, Any]:
    """Labels by queue and answer, and how they came in."""
    by_day = counts(rows.mutate(day=rows["at"].date()), "queue_id", "day")
    lines: dict[str, list[tuple[Any, float]]] = {}
    for each in by_day:
        lines.setdefault(each["queue_id"], []).append((each["day"], each["rows"]))
    told: dict[str, Any] = {
        "by answer": markdown_table(counts(rows, "queue_id", "what", "answer"), empty="nobody said anything")
    }
    return told | ({"by day": line_plot("labels, skips and escalations", lines, y_range=None)} if lines else {})


def quality_told(rows: "ibis.Table") -> Mapping[str, Any]:
    """Every reviewer, and how right each was on gold items and beside the verdicts."""
    found = rows.to_pyarrow().to_pylist()
    told: dict[str, Any] = {"reviewers": markdown_table(found, empty="nobody has judged yet")}
    names = [f"{row['queue_id']} {row['reviewer'][:8]}" for row in found]
    bars = {
        side: {name: row[right] / (row[asked] or 1) for name, row in zip(names, found, strict=True)}
        for side, right, asked in (("gold right", "gold_right", "gold_asked"), ("as the verdict", "agreed", "judged"))
    }
    return told | ({"how right": bar_plot("right on gold items, and as the verdict", bars)} if found else {})


def golden_told(rows: "ibis.Table") -> Mapping[str, Any]:
    """The version of the golden rows, and what they are."""
    return {
        "golden_version": version(rows)[:12],
        "by label": markdown_table(counts(rows, "model_name", "label"), empty="none"),
        "by source": markdown_table(counts(rows, "model_name", "source_type"), empty="none"),
    }


def audits_told(rows: "ibis.Table") -> Mapping[str, Any]:
    """Every estimate with its interval."""
    found = rows.to_pyarrow().to_pylist()
    told: dict[str, Any] = {"estimates": markdown_table(found, empty="no random audit was ever in force")}
    rates = {
        side: {f"{row['model_name']} {row['policy_id']}": row[side] or 0.0 for row in found}
        for side in ("low", "error_rate", "high")
    }
    return told | ({"error rates": bar_plot("error rate by audit, with its 95 % interval", rates)} if found else {})
