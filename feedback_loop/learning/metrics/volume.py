"""Volume: how much feedback of any type came, per answer given."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.metrics._base import ONE, ZERO, AmountColumns, Amounts, Metric

if TYPE_CHECKING:
    import ibis


class Volume(Metric):
    """The numerator is the count of feedback, the denominator the count of inferences."""

    name: ClassVar[str] = "volume"
    feedback_types: ClassVar[frozenset[str] | None] = None
    per_inference: ClassVar[bool] = True

    def amounts(self, state: Mapping[str, Any]) -> Amounts | None:
        """1 to the numerator; the denominator comes from the inferences."""
        return Amounts(ONE, ZERO)

    def columns(self, feedback: "ibis.Table") -> AmountColumns:
        """The same of every row."""
        return AmountColumns(feedback.feedback_id.notnull(), 1, 0)
