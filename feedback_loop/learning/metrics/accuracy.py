"""Accuracy: the share of labelled answers that were right."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.metrics._base import ONE, ZERO, AmountColumns, Amounts, Metric

if TYPE_CHECKING:
    import ibis

RIGHT, WRONG = (Amounts(ONE, ONE),), (Amounts(ZERO, ONE),)


class Accuracy(Metric):
    """Counts labels given without seeing a fault first: a correction says nothing of the answers left alone."""

    name: ClassVar[str] = "accuracy"
    numerator: ClassVar[str] = "labels that agree with the answer"
    denominator: ClassVar[str] = "labels that can be compared with an answer"
    silence: ClassVar[str] = "nothing: the answers that were labelled stand for all, as far as they were chosen blindly"
    feedback_types: ClassVar[frozenset[str] | None] = frozenset({"ground_truth", "explicit_label", "review_label"})

    def amounts(self, state: Mapping[str, Any], inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """1/1 where right, 0/1 where wrong, nothing where there is nothing to compare."""
        correct = state["correct"]
        return () if correct is None else RIGHT if correct else WRONG

    def columns(self, told: "ibis.Table") -> Sequence[AmountColumns]:
        """The same of every row."""
        return (AmountColumns(told.correct.notnull(), told.correct.cast("int64"), 1),)
