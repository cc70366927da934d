"""Page-Hinkley: the sum of what errors exceed their mean by has grown too far from its least."""

from typing import ClassVar

from feedback_loop.learning.drift_detectors._base import DriftDetector, Finding, Thresholds, Window
from feedback_loop.learning.drift_detectors._sequential import found


class PageHinkley(DriftDetector):
    """Page, "Continuous inspection schemes" (Biometrika 41, 1954), by river; tuned for zeros and ones."""

    name: ClassVar[str] = "page_hinkley"

    def detect(self, reference: Window, recent: Window, thresholds: Thresholds) -> Finding:
        """Reads the reference's answers, then the recent ones."""
        from river.drift import PageHinkley as Detector

        return found(Detector(delta=0.05, threshold=10), "PageHinkley", reference, recent)
