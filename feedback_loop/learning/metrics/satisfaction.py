"""Satisfaction: the mean reward, 0 to 1, of thumbs and ratings."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.metrics._base import ONE, AmountColumns, Amounts, Metric, exact

if TYPE_CHECKING:
    import ibis


class Satisfaction(Metric):
    """Reads what people say they felt; clicks and other implicit signals have scales of their own."""

    name: ClassVar[str] = "satisfaction"
    numerator: ClassVar[str] = "thumbs and ratings, each moved to 0..1, summed"
    denominator: ClassVar[str] = "thumbs and ratings"
    silence: ClassVar[str] = "nothing: it is the mean of those who spoke, and volume says how many they were"
    feedback_types: ClassVar[frozenset[str] | None] = frozenset({"explicit_binary", "explicit_rating"})

    def amounts(self, state: Mapping[str, Any], inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """The reward over 1."""
        reward = state["reward"]
        return () if reward is None else (Amounts(exact(reward), ONE),)

    def columns(self, told: "ibis.Table") -> Sequence[AmountColumns]:
        """The same of every row."""
        return (AmountColumns(told.reward.notnull(), told.reward, 1),)
