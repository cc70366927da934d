"""Mean reward: the mean of an environment's rewards, on their own scale."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.metrics._base import AmountColumns, Amounts, Metric
from feedback_loop.learning.metrics._interval import Interval
from feedback_loop.learning.metrics._means import mean_amounts, mean_columns

if TYPE_CHECKING:
    import ibis


class MeanReward(Metric):
    """Reads `reward` only: thumbs, ratings and clicks have metrics of their own. Beyond ±10⁹ a reward is left out."""

    name: ClassVar[str] = "mean_reward"
    numerator: ClassVar[str] = "rewards, summed"
    denominator: ClassVar[str] = "rewards"
    silence: ClassVar[str] = "nothing: an answer without a reward is not one with the reward 0"
    interval: ClassVar[Interval] = "normal"
    feedback_types: ClassVar[frozenset[str] | None] = frozenset({"reward"})

    def amounts(self, state: Mapping[str, Any], inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """The reward over 1."""
        return mean_amounts(state["reward"])

    def columns(self, told: "ibis.Table") -> Sequence[AmountColumns]:
        """The same of every row."""
        return mean_columns(told.reward)
