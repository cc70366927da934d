"""A preference must name outputs that the inference really gave."""

from typing import TYPE_CHECKING, ClassVar

from expectations.rules._base import Evidence, RowRule, Severity

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
        preferred = ~rows.given_outputs.contains(rows.preferred) & rows.preferred.notnull()
        rejected = ~rows.given_outputs.contains(rows.rejected) & rows.rejected.notnull()
        unknown = preferred.cast("int64").fill_null(0) + rejected.cast("int64").fill_null(0)
        applies = rows.preferred.notnull() & rows.given_outputs.notnull()
        return rows.mutate(unknown_outputs=applies.ifelse(unknown, None))
