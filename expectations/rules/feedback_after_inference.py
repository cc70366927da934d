"""Nobody judges an answer before it was given."""

from typing import TYPE_CHECKING, ClassVar

from expectations.rules._base import Evidence, RowRule, Severity

if TYPE_CHECKING:
    import ibis


class FeedbackAfterInference(RowRule):
    """Compares event times, not arrival: feedback may well arrive before its inference does."""

    name: ClassVar[str] = "feedback_after_inference"
    description: ClassVar[str] = "Feedback occurred after its inference, but for a minute that clocks may disagree."
    severity: ClassVar[Severity] = "error"
    column: ClassVar[str] = "seconds_after_inference"
    minimum: ClassVar[float | None] = -60

    def measure(self, rows: "ibis.Table", evidence: Evidence) -> "ibis.Table":
        """Adds `seconds_after_inference`; empty while the inference is unknown."""
        gap = rows.occurred_at.delta(rows.answered_at, unit="microsecond")
        return rows.mutate(seconds_after_inference=gap / 1_000_000)
