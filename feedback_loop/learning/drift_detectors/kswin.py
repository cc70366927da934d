"""KSWIN: the newest answers are spread otherwise than a sample of those before them."""

from typing import ClassVar

from feedback_loop.learning.drift_detectors._base import DriftDetector, Finding, Thresholds, Window
from feedback_loop.learning.drift_detectors._sequential import found


class Kswin(DriftDetector):
    """Raab et al., "Reactive soft prototype computing for concept drift streams" (2020), by river."""

    name: ClassVar[str] = "kswin"

    def detect(self, reference: Window, recent: Window, thresholds: Thresholds) -> Finding:
        """Reads the reference's answers, then the recent ones."""
        from river.drift import KSWIN

        return found(
            KSWIN(alpha=thresholds.level / 10, window_size=100, stat_size=40, seed=0), "KSWIN", reference, recent
        )
