"""A day brings about as much feedback as the days before it; an unfinished day may still have less."""

from typing import TYPE_CHECKING, ClassVar

from expectations.rules._base import Evidence, Reference, Severity, TableRule

if TYPE_CHECKING:
    import ibis
    from great_expectations.expectations import Expectation

DAYS_NEEDED = 3


class VolumeIsPlausible(TableRule):
    """Compares with the median of the days before, once three of them brought feedback."""

    name: ClassVar[str] = "volume_is_plausible"
    description: ClassVar[str] = "A day brings at most ten times the median of the days before, from the fourth day on."
    severity: ClassVar[Severity] = "warning"
    column: ClassVar[str] = "log_offset"
    factor: ClassVar[float] = 10

    def measure(self, rows: "ibis.Table", evidence: Evidence) -> "ibis.Table":
        """Nothing to add: rows are counted."""
        return rows

    def reference(self, evidence: Evidence) -> Reference:
        """`most`: the largest plausible number of rows."""
        earlier = evidence.history.filter(
            evidence.history.received_at < evidence.feedback.received_at.min().as_scalar()
        )
        per_day = earlier.group_by(day=earlier.received_at.date()).agg(rows=earlier.count())
        counts = sorted(row["rows"] for row in per_day.to_pyarrow().to_pylist())
        return {"most": self.factor * counts[len(counts) // 2]} if len(counts) >= DAYS_NEEDED else {}

    def expectation(self, reference: Reference) -> "Expectation | None":
        """There are no more rows than plausible."""
        import great_expectations.expectations as gxe

        return gxe.ExpectTableRowCountToBeBetween(min_value=0, max_value=reference["most"]) if reference else None
