"""DDM: the error rate has risen three standard deviations above the least it ever was."""

from typing import ClassVar

from feedback_loop.learning.drift_detectors._base import DriftDetector, Finding, Thresholds, Window
from feedback_loop.learning.drift_detectors._sequential import found


class Ddm(DriftDetector):
    """Gama et al., "Learning with drift detection" (SBIA 2004), by river; made for abrupt drifts."""

    name: ClassVar[str] = "ddm"

    def detect(self, reference: Window, recent: Window, thresholds: Thresholds) -> Finding:
        """Reads the reference's answers, then the recent ones."""
        from river.drift.binary import DDM

        return found(DDM(warm_start=30), "DDM", reference, recent)
