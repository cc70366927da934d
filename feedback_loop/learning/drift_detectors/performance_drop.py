"""Performance drop: the champion is right less often than it was, by a test of two proportions."""

from math import inf, sqrt
from typing import ClassVar

from feedback_loop.learning.drift_detectors._base import DriftDetector, Finding, Thresholds, Window


class PerformanceDrop(DriftDetector):
    """Needs a loss that is large enough to matter and too large for chance."""

    name: ClassVar[str] = "performance_drop"

    def detect(self, reference: Window, recent: Window, thresholds: Thresholds) -> Finding:
        """Compares the accuracies of the two windows."""
        before, now = reference.accuracy, recent.accuracy
        if before is None or now is None or recent.labelled < thresholds.min_labels:
            return Finding(
                "performance", False, False, f"{recent.labelled} of {thresholds.min_labels} labels to judge by"
            )
        drop, z = before - now, deviation(before, reference.labelled, now, recent.labelled)
        reason = f"accuracy {now:.3f} against {before:.3f} over {recent.labelled} labels (z {z:.1f})"
        is_drift = drop >= thresholds.min_drop and z >= thresholds.z
        is_hint = drop >= thresholds.hint_drop and z >= thresholds.hint_z
        return Finding("performance", is_drift, is_hint, reason)


def deviation(before: float, before_count: int, now: float, now_count: int) -> float:
    """The drop from `before` to `now` in standard errors of the difference of two proportions; negative for a rise."""
    pooled = (before * before_count + now * now_count) / (before_count + now_count)
    error = sqrt(max(pooled * (1 - pooled), 0.0) * (1 / before_count + 1 / now_count))
    if error == 0:
        return inf if before > now else 0.0
    return (before - now) / error
