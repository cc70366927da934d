"""What the UI is told of reward models: how often each finds what people preferred, and by which words."""

from collections.abc import Mapping, Sequence
from typing import Any

from feedback_assets.presentation import bar_plot, markdown_table
from feedback_assets.reward_models import Learnt, row_of

SHOWN = ("model_name", "pairs", "held_out", "accuracy", "by_length", "by_side", "is_in_force", "reason")


def reward_models_told(found: Sequence[Learnt]) -> Mapping[str, Any]:
    """One row a model; of each that was trained its pair accuracy beside the baselines, and its weightiest words."""
    table = [{name: row_of(each)[name] for name in SHOWN} for each in found]
    told: dict[str, Any] = {"reward models": markdown_table(table, empty="no pairs yet: nobody compared two answers")}
    for each in found:
        if each.accuracy is not None:
            name, (_, model, length, majority) = each.model_name, each.accuracy
            bars = {"reward model": model, "by length": length, "by side": majority}
            title = f"{name}: pair accuracy on pairs held out"
            told[f"pair accuracy of {name}"] = bar_plot(title, {by: {"held out": share} for by, share in bars.items()})
            words = [{"word": word, "weight": weight} for word, weight in each.telling]
            told[f"what counts for {name}"] = markdown_table(words)
    return told
