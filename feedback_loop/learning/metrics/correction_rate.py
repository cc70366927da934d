"""Correction rate: corrections per answer given."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.metrics._base import ONE, ZERO, AmountColumns, Amounts, Metric

if TYPE_CHECKING:
    import ibis


class CorrectionRate(Metric):
    """A correction counts when it was made, an answer when it was given, so one bucket's ratio may pass 1."""

    name: ClassVar[str] = "correction_rate"
    feedback_types: ClassVar[frozenset[str] | None] = frozenset({"explicit_correction"})
    per_inference: ClassVar[bool] = True

    def amounts(self, state: Mapping[str, Any]) -> Amounts | None:
        """1 to the numerator; the denominator comes from the inferences."""
        return Amounts(ONE, ZERO)

    def columns(self, feedback: "ibis.Table") -> AmountColumns:
        """The same of every row."""
        return AmountColumns(feedback.feedback_id.notnull(), 1, 0)
