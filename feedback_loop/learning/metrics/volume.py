"""Volume: how much feedback of any type came, per answer given."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.metrics._base import ONE, ZERO, AmountColumns, Amounts, Metric
from feedback_loop.learning.metrics._interval import Interval

if TYPE_CHECKING:
    import ibis

ONE_MORE = (Amounts(ONE, ZERO),)


class Volume(Metric):
    """Counts every feedback that stands, also what names a metric of the project's own."""

    name: ClassVar[str] = "volume"
    numerator: ClassVar[str] = "feedback of any type"
    denominator: ClassVar[str] = "answers given"
    silence: ClassVar[str] = "an answer without feedback"
    interval: ClassVar[Interval] = "poisson"
    feedback_types: ClassVar[frozenset[str] | None] = None
    per_inference: ClassVar[bool] = True

    def amounts(self, state: Mapping[str, Any], inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """1 to the numerator; the denominator comes from the inferences."""
        return ONE_MORE

    def columns(self, told: "ibis.Table") -> Sequence[AmountColumns]:
        """The same of every row."""
        return (AmountColumns(None, 1, 0),)
