"""Fairness floor: better on the whole is not good enough where a segment pays for it."""

from collections import defaultdict
from math import sqrt
from typing import ClassVar

from feedback_loop.learning.gate_checks._base import Answered, Evidence, GateCheck, Limits, Outcome


class FairnessFloor(GateCheck):
    """Fails where the candidate is surely and clearly worse than the champion within one segment."""

    name: ClassVar[str] = "fairness_floor"

    def judge(self, evidence: Evidence, limits: Limits) -> tuple[Outcome, str]:
        """By the golden rows of each segment that has enough of them; both sides answered the same rows."""
        by_segment: dict[str, list[Answered]] = defaultdict(list)
        for row in evidence.golden:
            for segment in row.segments:
                by_segment[segment].append(row)
        known = {name: rows for name, rows in by_segment.items() if len(rows) >= limits.segment_rows}
        if not known:
            return "skipped", f"no segment has {limits.segment_rows} golden rows"
        losses = {name: _loss(rows) for name, rows in known.items()}
        fallen = [
            f"{name}: {loss:.0%} less over {len(known[name])} rows"
            for name, (loss, error) in sorted(losses.items())
            if loss > limits.segment_loss and loss > limits.z * error
        ]
        if fallen:
            return "failed", f"below the floor in {'; '.join(fallen)}"
        return "passed", f"no worse than the champion in any of {len(known)} segments"


def _loss(rows: list[Answered]) -> tuple[float, float]:
    """How much accuracy the candidate loses, and the standard error of that; the rows are paired."""
    steps = [row.is_champion_right - row.is_candidate_right for row in rows]
    mean = sum(steps) / len(steps)
    spread = sum((step - mean) ** 2 for step in steps) / max(len(steps) - 1, 1)
    return mean, sqrt(spread / len(steps))
