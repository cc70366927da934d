"""Kolmogorov-Smirnov: numeric inputs are spread otherwise, in windows too small for the stability index."""

from typing import ClassVar

from feedback_loop.learning.drift_detectors._base import DriftDetector, Finding, Thresholds, Window


class KolmogorovSmirnov(DriftDetector):
    """Looks at windows smaller than `psi_samples`; in larger ones every difference is sure, and its size is asked for.

    The level is shared by all features, so that many of them do not add up to a false alarm.
    """

    name: ClassVar[str] = "kolmogorov_smirnov"

    def detect(self, reference: Window, recent: Window, thresholds: Thresholds) -> Finding:
        """Compares each numeric feature that both windows know."""
        samples = min(reference.inferences, recent.inferences)
        if not thresholds.ks_samples <= samples < thresholds.psi_samples:
            return Finding("input", False, False, f"not for {samples} inputs", is_concerned=False)
        names = sorted(reference.features.keys() & recent.features.keys())
        moved = [name for name in names if _has_moved(name, reference, recent, thresholds, len(names))]
        is_drift = bool(moved) and len(moved) >= thresholds.psi_share * len(names)
        reason = f"{len(moved)} of {len(names)} inputs moved (Kolmogorov-Smirnov)"
        return Finding("input", is_drift, is_drift, reason)


def _has_moved(name: str, reference: Window, recent: Window, thresholds: Thresholds, features: int) -> bool:
    from scipy.stats import ks_2samp

    before, now = reference.features[name], recent.features[name]
    if min(len(before), len(now)) < thresholds.ks_samples:
        return False
    found = ks_2samp(before, now, method="asymp")
    return bool(found.statistic >= thresholds.ks_gap and found.pvalue < thresholds.level / features)
