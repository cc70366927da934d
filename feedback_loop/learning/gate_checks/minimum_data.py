"""Minimum data: a model that learnt from a handful of rows does not serve, whatever it scores."""

from typing import ClassVar

from feedback_loop.learning.gate_checks._base import Evidence, GateCheck, Limits, Outcome


class MinimumData(GateCheck):
    """Fails below so many training rows."""

    name: ClassVar[str] = "minimum_data"

    def judge(self, evidence: Evidence, limits: Limits) -> tuple[Outcome, str]:
        """By the rows of its dataset."""
        if evidence.trained_rows < limits.min_rows:
            return "failed", f"it learnt from {evidence.trained_rows} of at least {limits.min_rows} rows"
        return "passed", f"it learnt from {evidence.trained_rows} rows"
