"""What the UI is told of replay: what is kept, what a policy learnt from it would earn, and what rehearsal saves."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from feedback_assets.presentation import bar_plot, markdown_table
from feedback_assets.replays import Policy, policy_row

if TYPE_CHECKING:
    import ibis

    from feedback_loop.learning.rehearsal import Forgetting


def buffer_told(rows: "ibis.Table") -> Mapping[str, Any]:
    """How much is kept of each model, from when, and how long its episodes are."""
    sums = rows.group_by("model_name").agg(
        newest=rows.is_newest.cast("int64").sum(),
        of_all_times=rows.stands_for.count(),
        stands_for=rows.stands_for.sum(),
        episodes=rows.episode.nunique(),
        mean_reward=rows.reward.mean(),
        oldest=rows.occurred_at.min(),
    )
    return {"kept": markdown_table(sums.order_by("model_name").to_pyarrow().to_pylist(), empty="nothing yet")}


def policies_told(found: Sequence[Policy]) -> Mapping[str, Any]:
    """Each policy as a row, and what it would earn beside what was earned where the log can show it."""
    told = {"policies": markdown_table([_shown(each) for each in found], empty="nothing to learn from yet")}
    for each in found:
        if each.judged.snips is not None and each.judged.on_policy is not None:
            bars = {
                "who served": {"mean reward": each.judged.on_policy},
                "policy": {"mean reward": each.judged.snips.value},
            }
            told[f"reward of {each.model_name}"] = bar_plot(f"{each.model_name}: mean reward, by SNIPS", bars)
    return told


def _shown(found: Policy) -> dict[str, Any]:
    empty = dict.fromkeys(("snips", "low", "high"))
    row = {**empty, **policy_row(found)}
    names = ("model_name", "transitions", "actions", "agreement", "on_policy", "snips", "low", "high", "refusal")
    return {name: row[name] for name in names}


def forgetting_told(model_name: str, found: "Sequence[Forgetting]", why_not: str) -> Mapping[str, Any]:
    """The accuracy on each stretch after the last was learnt, with a memory of the others and without."""
    table = markdown_table([each._asdict() for each in found], empty=why_not or "nothing to compare")
    if not found:
        return {"forgetting": table}
    bars = {
        "without": {each.task: each.without for each in found},
        "with a replay buffer": {each.task: each.rehearsed for each in found},
    }
    title = f"{model_name}: accuracy on each stretch after the last was learnt"
    return {"forgetting": table, "accuracy": bar_plot(title, bars)}
