"""Bias: who answers against who is served, what that does to a figure, and whether it is too much."""

from feedback_loop.learning.bias.cells import WINDOW, Cell, Tally, Voice, newest, tallied, tally, voice_of
from feedback_loop.learning.bias.positions import Shown, position_counts, positions_of
from feedback_loop.learning.bias.verdicts import (
    DETECTED,
    RESOLVED,
    Finding,
    Report,
    fact_body,
    judge,
    report_told,
    to_tell,
)

__all__ = [
    "DETECTED",
    "RESOLVED",
    "WINDOW",
    "Cell",
    "Finding",
    "Report",
    "Shown",
    "Tally",
    "Voice",
    "fact_body",
    "judge",
    "newest",
    "position_counts",
    "positions_of",
    "report_told",
    "tallied",
    "tally",
    "to_tell",
    "voice_of",
]
