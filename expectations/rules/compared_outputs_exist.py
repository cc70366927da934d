"""A preference must name outputs that the inference really gave."""

from typing import TYPE_CHECKING, ClassVar

from expectations.rules._base import Evidence, RowRule, Severity
from feedback_loop.learning.consistency import unknown_outputs_of

if TYPE_CHECKING:
    import ibis


class ComparedOutputsExist(RowRule):
    """Counts the named outputs that are not among the inference's."""

    name: ClassVar[str] = "compared_outputs_exist"
    description: ClassVar[str] = "The preferred and the rejected output are among the outputs of their inference."
    severity: ClassVar[Severity] = "error"
    column: ClassVar[str] = "unknown_outputs"
    maximum: ClassVar[float | None] = 0

    def measure(self, rows: "ibis.Table", evidence: Evidence) -> "ibis.Table":
        """Adds `unknown_outputs` (0 to 2); empty where nothing is compared or the inference is unknown."""
        return rows.mutate(unknown_outputs=unknown_outputs_of(rows))
