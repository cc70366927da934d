"""Accuracy: the share of labelled answers that were right."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.metrics._base import ONE, ZERO, AmountColumns, Amounts, Metric

if TYPE_CHECKING:
    import ibis


class Accuracy(Metric):
    """Counts labels given without seeing a fault first: a correction says nothing of the answers left alone."""

    name: ClassVar[str] = "accuracy"
    feedback_types: ClassVar[frozenset[str] | None] = frozenset({"ground_truth", "explicit_label", "review_label"})

    def amounts(self, state: Mapping[str, Any]) -> Amounts | None:
        """1/1 where right, 0/1 where wrong, nothing where there is nothing to compare."""
        correct = state["correct"]
        return None if correct is None else Amounts(ONE if correct else ZERO, ONE)

    def columns(self, feedback: "ibis.Table") -> AmountColumns:
        """The same of every row."""
        return AmountColumns(feedback.correct.notnull(), feedback.correct.cast("int64"), 1)
