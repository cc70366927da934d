"""Clicks per answer: click-through where every answer is one item that was shown."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.metrics._base import ONE, ZERO, AmountColumns, Amounts, Metric
from feedback_loop.learning.metrics._interval import Interval

if TYPE_CHECKING:
    import ibis

CLICKED = (Amounts(ONE, ZERO),)


class ClicksPerAnswer(Metric):
    """What a recommender can tell that logs no exposures: each inference is taken to have been shown once.

    With several items an answer it is no share of what was shown; log exposures then, and read `click_through`.
    """

    name: ClassVar[str] = "clicks_per_answer"
    numerator: ClassVar[str] = "clicks"
    denominator: ClassVar[str] = "answers given"
    silence: ClassVar[str] = "an answer that was shown and not clicked"
    interval: ClassVar[Interval] = "poisson"
    feedback_types: ClassVar[frozenset[str] | None] = frozenset({"implicit_click"})
    per_inference: ClassVar[bool] = True

    def amounts(self, state: Mapping[str, Any], inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """1 to the numerator; the denominator comes from the inferences."""
        return CLICKED if state["reward"] == 1 else ()

    def columns(self, told: "ibis.Table") -> Sequence[AmountColumns]:
        """The same of every row."""
        return (AmountColumns((told.reward == 1).fill_null(False), 1, 0),)
