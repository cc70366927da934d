"""What the UI is told of candidates, their evaluation, and the champion."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from feedback_assets.gate import Comparison
from feedback_assets.own_training import OwnModel
from feedback_assets.presentation import bar_plot, markdown_table
from feedback_loop.learning.training import TrainedModel
from feedback_loop.registry.shelf import RegisteredModel

if TYPE_CHECKING:
    import ibis


def candidate_told(registered: RegisteredModel, model: TrainedModel | OwnModel) -> Mapping[str, Any]:
    """Which learner won on the newest rows, and where the artifact is."""
    if isinstance(model, OwnModel):
        scores = [{"learner": model.chosen, **model.metrics}]
    else:
        scores = [
            {"learner": name, "chosen": name == model.chosen, **found} for name, found in model.validation.items()
        ]
    return {
        "model_version": registered.model_version,
        "learners": markdown_table(scores, empty="too few rows to compare learners"),
        "artifact": dg.MetadataValue.url(registered.artifact_uri or ""),
        "sha256": registered.artifact_sha256 or "",
    }


def evaluation_told(comparison: Comparison) -> Mapping[str, Any]:
    """Both sides of the gate as a table and as bars, and a few rows on which they differ from the truth."""
    sides = {"candidate": comparison.candidate, "champion": comparison.champion}
    table = [
        {
            "role": role,
            "version": side.model_version,
            "accuracy": side.accuracy,
            "rows": side.rows,
            "recent accuracy": side.recent_accuracy,
            "recent rows": side.recent_rows,
        }
        for role, side in sides.items()
    ]
    bars = {
        f"{role} {side.model_version}": {"all": side.accuracy, "recent": side.recent_accuracy}
        for role, side in sides.items()
    }
    reasons = Counter(each.reason for each in comparison.excluded)
    left_out = [{"inputs could not be read": reason, "rows": rows} for reason, rows in sorted(reasons.items())]
    return {
        "evaluation": markdown_table(table),
        "checks": markdown_table([finding._asdict() for finding in comparison.findings]),
        "left out": markdown_table(left_out, empty="none"),
        "accuracy": bar_plot("accuracy on the golden rows", bars),
    }


def verdict_told(rows: "ibis.Table") -> Mapping[str, Any]:
    """What the gate decided, and why."""
    [row] = rows.to_pyarrow().to_pylist()
    return {
        "decision": row["decision"],
        "serving": row["serving_version"],
        "reasons": markdown_table([{"reason": reason} for reason in row["reasons"]]),
    }
