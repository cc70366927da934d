"""What a retraction or an edit undoes must be in the log."""

from typing import TYPE_CHECKING, ClassVar

from expectations.rules._base import Evidence, RowRule, Severity

if TYPE_CHECKING:
    import ibis


class UndoneFeedbackExists(RowRule):
    """Looks the target up in every day, since an undo often comes later than the day it undoes."""

    name: ClassVar[str] = "undone_feedback_exists"
    description: ClassVar[str] = "The feedback that a retraction or an edit undoes is in the log."
    severity: ClassVar[Severity] = "warning"
    column: ClassVar[str] = "targets_found"
    minimum: ClassVar[float | None] = 1
    mostly: ClassVar[float] = 0.9

    def measure(self, rows: "ibis.Table", evidence: Evidence) -> "ibis.Table":
        """Adds `targets_found` (0 or 1); empty where nothing is undone."""
        told = evidence.history.select(told_project="project_id", told_id="feedback_id")
        same = [rows.project_id == told.told_project, rows.target_feedback_id == told.told_id]
        joined = rows.left_join(told, same)
        found = joined.target_feedback_id.notnull().ifelse(joined.told_id.notnull().cast("int64"), None)
        return joined.mutate(targets_found=found).drop("told_project", "told_id")
