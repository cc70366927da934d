"""A correction must say something else than was answered."""

from typing import TYPE_CHECKING, ClassVar

from expectations.rules._base import Evidence, RowRule, Severity
from feedback_loop.learning.consistency import differences_of

if TYPE_CHECKING:
    import ibis


class CorrectionDiffers(RowRule):
    """Compares labels with labels and texts with texts; an answer that was corrected to itself teaches nothing."""

    name: ClassVar[str] = "correction_differs"
    description: ClassVar[str] = "A correction differs from the answer that it corrects."
    severity: ClassVar[Severity] = "error"
    column: ClassVar[str] = "differences"
    minimum: ClassVar[float | None] = 1

    def measure(self, rows: "ibis.Table", evidence: Evidence) -> "ibis.Table":
        """Adds `differences` (0, 1); empty where nothing is corrected or the two cannot be compared."""
        return rows.mutate(differences=differences_of(rows))
