"""A number must lie within the range of the metric it names."""

from typing import TYPE_CHECKING, ClassVar

from expectations.rules._base import Evidence, RowRule, Severity
from feedback_loop.learning.consistency import beyond_range_of

if TYPE_CHECKING:
    import ibis


class RatingInRange(RowRule):
    """Knows the ranges of registered metrics; of a rating the score or the reward must lie inside."""

    name: ClassVar[str] = "rating_in_range"
    description: ClassVar[str] = "A number lies within the range of the registered metric that it is given under."
    severity: ClassVar[Severity] = "error"
    column: ClassVar[str] = "beyond_range"
    maximum: ClassVar[float | None] = 0

    def measure(self, rows: "ibis.Table", evidence: Evidence) -> "ibis.Table":
        """Adds `beyond_range` (0, 1); empty where there is no number or no range."""
        return rows.mutate(beyond_range=beyond_range_of(rows, evidence.ranges))
