"""Correction rate: corrections per answer given."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.metrics._base import ONE, ZERO, AmountColumns, Amounts, Metric
from feedback_loop.learning.metrics._interval import Interval

if TYPE_CHECKING:
    import ibis


class CorrectionRate(Metric):
    """A correction counts when it was made, an answer when it was given, so one bucket's ratio may pass 1.

    Corrections come mostly where a model is wrong: over the answers that somebody spoke of they would tend to 1.
    """

    name: ClassVar[str] = "correction_rate"
    numerator: ClassVar[str] = "corrections"
    denominator: ClassVar[str] = "answers given"
    silence: ClassVar[str] = "an answer that nobody corrected"
    interval: ClassVar[Interval] = "poisson"
    feedback_types: ClassVar[frozenset[str] | None] = frozenset({"explicit_correction"})
    per_inference: ClassVar[bool] = True

    def amounts(self, state: Mapping[str, Any], inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """1 to the numerator; the denominator comes from the inferences."""
        return (Amounts(ONE, ZERO),)

    def columns(self, told: "ibis.Table") -> Sequence[AmountColumns]:
        """The same of every row."""
        return (AmountColumns(None, 1, 0),)
