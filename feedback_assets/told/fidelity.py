"""What the UI is told of fidelity."""

from collections.abc import Mapping, Sequence
from typing import Any

from feedback_assets.fidelities import ModelFidelity
from feedback_assets.presentation import bar_plot, markdown_table
from feedback_loop.learning.segments import ALL


def fidelity_told(found: Sequence[ModelFidelity]) -> Mapping[str, Any]:
    """Every score with its parts, what has become worse, and one plot a model of its sources."""
    table = [
        {"model_name": each.model_name, **_flat(each)} for each in sorted(found, key=lambda each: each.found.score)
    ]
    worse = [
        row
        for row, each in zip(table, sorted(found, key=lambda each: each.found.score), strict=True)
        if each.found.worse
    ]
    bars: dict[str, dict[str, float]] = {}
    for each in found:
        if each.found.segment == ALL:
            named = f"{each.found.source}: {each.found.metric}"
            bars.setdefault(each.model_name, {})[named] = each.found.score
    plots = {
        f"worth of {name}": bar_plot(f"{name}: fidelity by source and metric", {"score": mine})
        for name, mine in bars.items()
    }
    return {
        "worse than before": markdown_table(worse, empty="none"),
        "scores": markdown_table(table, empty="too little feedback to tell"),
        **plots,
    }


def _flat(each: ModelFidelity) -> dict[str, Any]:
    found = each.found
    told = {"source": found.source, "metric": found.metric, "segment": found.segment, "events": found.events}
    names = ("attribution", "agreement", "informativeness", "timeliness")
    parts = {name: found.parts[name].value if name in found.parts else None for name in names}
    return {**told, "score": found.score, **parts, "worse": found.worse}
