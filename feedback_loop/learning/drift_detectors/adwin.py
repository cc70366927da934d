"""ADWIN: a window over the answers that shrinks as soon as two parts of it differ beyond chance."""

from typing import ClassVar

from feedback_loop.learning.drift_detectors._base import DriftDetector, Finding, Thresholds, Window
from feedback_loop.learning.drift_detectors._sequential import found


class Adwin(DriftDetector):
    """Bifet and Gavaldà, "Learning from time-changing data with adaptive windowing" (SDM 2007), by river."""

    name: ClassVar[str] = "adwin"

    def detect(self, reference: Window, recent: Window, thresholds: Thresholds) -> Finding:
        """Reads the reference's answers, then the recent ones."""
        from river.drift import ADWIN

        return found(ADWIN(delta=thresholds.level, clock=8), "ADWIN", reference, recent)
