"""Label shift: what is right is spread otherwise than before, whatever the model says."""

from typing import ClassVar

from feedback_loop.learning.drift_detectors._base import DriftDetector, Finding, Thresholds, Window
from feedback_loop.learning.drift_detectors._counts import compared


class LabelShift(DriftDetector):
    """Tells of it, and starts nothing: a model may be as good in a world with other shares."""

    name: ClassVar[str] = "label_shift"

    def detect(self, reference: Window, recent: Window, thresholds: Thresholds) -> Finding:
        """Compares the labels of both windows."""
        if min(sum(reference.labels.values()), sum(recent.labels.values())) < thresholds.min_labels:
            return Finding("label", False, False, "too few labels to compare", is_concerned=False)
        found = compared(reference.labels, recent.labels)
        is_drift = found.p < thresholds.level and found.distance >= thresholds.ks_gap
        reason = f"labels are spread otherwise by {found.distance:.0%}"
        return Finding("label", is_drift, is_drift, reason, is_concerned=is_drift)
