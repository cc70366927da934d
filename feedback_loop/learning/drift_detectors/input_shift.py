"""Input shift: the numeric inputs are spread otherwise than before, by the population stability index."""

from collections.abc import Sequence
from math import log
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.drift_detectors._base import DriftDetector, FeatureDrift, Finding, Thresholds, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

CUTS = 9
"""Deciles of the reference. A value may also equal a cut, so that constant and discrete features are compared too."""

FLOOR = 1e-4
"""A share of 0 counts as this, or its logarithm would be infinite."""


class InputShift(DriftDetector):
    """Says that the world asks something new, not that the answers got worse: alone it never starts a training."""

    name: ClassVar[str] = "input_shift"

    def detect(self, reference: Window, recent: Window, thresholds: Thresholds) -> Finding:
        """Compares the spread of every feature that either window knows; to come or to go is to move."""
        samples = min(reference.inferences, recent.inferences)
        if samples < thresholds.psi_samples:
            return Finding("input", False, False, f"{samples} of {thresholds.psi_samples} inputs to compare")
        names = sorted(reference.features.keys() | recent.features.keys())
        features = tuple(_compared(name, reference, recent, thresholds) for name in names)
        moved = [each for each in features if each.has_drifted]
        is_drift = bool(moved) and len(moved) >= thresholds.psi_share * len(features)
        reason = f"{len(moved)} of {len(features)} inputs moved"
        if moved:
            most = max(moved, key=lambda each: each.psi)
            reason += f", most {most.feature} (PSI {most.psi:.2f})"
        return Finding("input", is_drift, is_drift, reason, features)


def _compared(name: str, reference: Window, recent: Window, thresholds: Thresholds) -> FeatureDrift:
    before, now = reference.features.get(name, ()), recent.features.get(name, ())
    psi, bins = stability_index(before, now, reference.inferences, recent.inferences)
    expected = (bins - 1) * (1 / reference.inferences + 1 / recent.inferences)
    return FeatureDrift(name, psi, expected, _mean(before), _mean(now), psi - expected >= thresholds.psi)


def stability_index(
    before: Sequence[float], now: Sequence[float], before_count: int, now_count: int
) -> tuple[float, int]:
    """The population stability index of one feature, and the number of bins with anything in them.

    The bins are the deciles of `before`; what is missing of the counts (inferences without the feature) is a bin too.
    """
    import numpy

    values, newer = numpy.asarray(before, dtype=float), numpy.asarray(now, dtype=float)
    cuts = (
        numpy.unique(numpy.quantile(values, numpy.linspace(0, 1, CUTS + 2)[1:-1], method="lower"))
        if len(values)
        else values
    )
    first, second = _counts(values, cuts, before_count), _counts(newer, cuts, now_count)
    index, bins = 0.0, 0
    for one, other in zip(first, second, strict=True):
        if one or other:
            p, q = max(one / before_count, FLOOR), max(other / now_count, FLOOR)
            index += (q - p) * log(q / p)
            bins += 1
    return index, bins


def _counts(values: "NDArray[Any]", cuts: "NDArray[Any]", count: int) -> list[int]:
    """How many values lie below, at and above each cut, and how many are missing."""
    import numpy

    places = numpy.searchsorted(cuts, values, "left") + numpy.searchsorted(cuts, values, "right")
    found = numpy.bincount(places, minlength=2 * len(cuts) + 1)
    return [*found.tolist(), max(count - len(values), 0)]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
