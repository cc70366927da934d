"""Gate checks, one a file: what else a candidate must not fail before it takes the champion's place."""

from feedback_loop.learning.gate_checks._base import (
    CASES,
    Answered,
    Evidence,
    Finding,
    GateCheck,
    Limits,
    Outcome,
    collect,
)

__all__ = ["CASES", "Answered", "Evidence", "Finding", "GateCheck", "Limits", "Outcome", "collect"]
