"""Chi-squared: texts among the inputs that are categories are spread otherwise than before."""

from typing import ClassVar

from feedback_loop.learning.drift_detectors._base import DriftDetector, Finding, Thresholds, Window
from feedback_loop.learning.drift_detectors._counts import compared


class ChiSquared(DriftDetector):
    """Looks at every text input of which the reference knows at most `most` values: more are names or prose."""

    name: ClassVar[str] = "chi_squared"
    most: ClassVar[int] = 50

    def detect(self, reference: Window, recent: Window, thresholds: Thresholds) -> Finding:
        """Needs `psi_share` of them to have moved, each by `ks_gap` of the cases at least."""
        names = [name for name, known in sorted(reference.categories.items()) if len(known) <= self.most]
        if min(reference.inferences, recent.inferences) < thresholds.ks_samples or not names:
            return Finding("input", False, False, "no categories to compare", is_concerned=False)
        level = thresholds.level / len(names)
        found = {name: compared(reference.categories[name], recent.categories.get(name, {})) for name in names}
        moved = [name for name, each in found.items() if each.p < level and each.distance >= thresholds.ks_gap]
        is_drift = bool(moved) and len(moved) >= thresholds.psi_share * len(names)
        reason = f"{len(moved)} of {len(names)} categories moved"
        return Finding("input", is_drift, is_drift, reason + (f", among them {moved[0]}" if moved else ""))
