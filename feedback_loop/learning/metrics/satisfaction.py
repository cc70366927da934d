"""Satisfaction: the mean reward, 0 to 1, of thumbs and ratings."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.metrics._base import ONE, AmountColumns, Amounts, Metric

if TYPE_CHECKING:
    import ibis


class Satisfaction(Metric):
    """Reads what people say they felt; clicks and other implicit signals have scales of their own."""

    name: ClassVar[str] = "satisfaction"
    feedback_types: ClassVar[frozenset[str] | None] = frozenset({"explicit_binary", "explicit_rating"})

    def amounts(self, state: Mapping[str, Any]) -> Amounts | None:
        """The reward over 1. It comes rounded to 6 places (rows.py), so that these millionths are exact."""
        reward = state["reward"]
        return None if reward is None else Amounts(Decimal(round(reward * 1_000_000)).scaleb(-6), ONE)

    def columns(self, feedback: "ibis.Table") -> AmountColumns:
        """The same of every row."""
        return AmountColumns(feedback.reward.notnull(), feedback.reward, 1)
