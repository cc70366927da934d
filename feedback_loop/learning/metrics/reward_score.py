"""Reward score: how good a version's answers are, as the reward model has it that is in force."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.metrics._base import AmountColumns, Amounts, Metric
from feedback_loop.learning.metrics._interval import Interval
from feedback_loop.learning.metrics._means import mean_amounts, mean_columns

if TYPE_CHECKING:
    import ibis


class RewardScore(Metric):
    """Reads no feedback: each answer counts when it is given, by the reward model that was in force then.

    A score is the chance that the answer is preferred to one as good as those the reward model learnt from: 0.5 is as
    good as they were. What is judged is what people told apart in pairs; check its pair accuracy before trusting it.
    """

    name: ClassVar[str] = "reward_score"
    numerator: ClassVar[str] = "reward scores, summed"
    denominator: ClassVar[str] = "answers that a reward model judged"
    silence: ClassVar[str] = "an answer like any other: it is judged whether anybody speaks of it or not"
    interval: ClassVar[Interval] = "normal"
    feedback_types: ClassVar[frozenset[str] | None] = frozenset()

    def amounts(self, state: Mapping[str, Any], inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """Nothing."""
        return ()

    def columns(self, told: "ibis.Table") -> Sequence[AmountColumns]:
        """Nothing."""
        return ()

    def judged(self, inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """The score over 1."""
        return mean_amounts(inference["reward_score"])

    def judged_columns(self, inferences: "ibis.Table") -> Sequence[AmountColumns]:
        """The same of every row."""
        return mean_columns(inferences.reward_score)
