"""A thumbs-down must say why, where a project demands it."""

from typing import TYPE_CHECKING, ClassVar

from expectations.rules._base import Evidence, RowRule, Severity
from feedback_loop.learning.consistency import reasons_of

if TYPE_CHECKING:
    import ibis


class NegativeHasReason(RowRule):
    """Looks for a reason code, a comment or a corrected text."""

    name: ClassVar[str] = "negative_has_reason"
    description: ClassVar[str] = "A thumbs-down carries a reason: a code, a comment or a corrected text."
    severity: ClassVar[Severity] = "error"
    column: ClassVar[str] = "reasons"
    minimum: ClassVar[float | None] = 1

    def measure(self, rows: "ibis.Table", evidence: Evidence) -> "ibis.Table":
        """Adds `reasons` (0, 1); empty where it is no thumbs-down."""
        return rows.mutate(reasons=reasons_of(rows))
