"""Latency budget: a model that answers too slowly does not serve."""

from typing import ClassVar

from feedback_loop.learning.gate_checks._base import Evidence, GateCheck, Limits, Outcome


class LatencyBudget(GateCheck):
    """Fails beyond the budget, measured on golden rows one by one in the process that trains."""

    name: ClassVar[str] = "latency_budget"

    def judge(self, evidence: Evidence, limits: Limits) -> tuple[Outcome, str]:
        """By the 95th percentile of single answers."""
        if evidence.latency_ms is None:
            return "skipped", "no answer was timed"
        told = f"answers within {evidence.latency_ms:.1f} ms (p95), the budget is {limits.latency_ms:.0f} ms"
        return ("failed" if evidence.latency_ms > limits.latency_ms else "passed"), told
