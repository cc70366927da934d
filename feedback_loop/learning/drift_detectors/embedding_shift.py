"""Embedding shift: vectors come from elsewhere than before, by the maximum mean discrepancy of two samples."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.drift_detectors._base import DriftDetector, Finding, Thresholds, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 200
"""Vectors of each window that are looked at: the cost grows with their square."""

PERMUTED = 500


class EmbeddingShift(DriftDetector):
    """Gretton et al., "A kernel two-sample test" (JMLR 13, 2012), with the median distance as the kernel's width.

    For windows below `classifier_samples`; in larger ones a classifier tells more.
    """

    name: ClassVar[str] = "embedding_shift"

    def detect(self, reference: Window, recent: Window, thresholds: Thresholds) -> Finding:
        """How often a random split of both samples is as unlike as the two windows; drift below `level`."""
        samples = min(len(reference.vectors), len(recent.vectors))
        if not thresholds.ks_samples <= samples < thresholds.classifier_samples:
            return Finding("embedding", False, False, f"not for {samples} vectors", is_concerned=False)
        p = _p_value(reference.vectors[-MOST:], recent.vectors[-MOST:])
        is_drift = p < 2 / PERMUTED
        reason = f"embeddings come from elsewhere (MMD, p {p:.3f})"
        return Finding("embedding", is_drift, is_drift, reason, is_concerned=is_drift)


def _p_value(before: Sequence[Sequence[float]], now: Sequence[Sequence[float]]) -> float:
    import numpy
    from scipy.spatial.distance import cdist

    both = numpy.asarray([*before, *now], dtype=float)
    squares = cdist(both, both, "sqeuclidean")
    kernel = numpy.exp(-squares / max(float(numpy.median(squares)), 1e-12))
    side = numpy.where(numpy.arange(len(both)) < len(before), 1 / len(before), -1 / len(now))
    random = numpy.random.default_rng(0)
    chance = [_discrepancy(kernel, random.permutation(side)) for _ in range(PERMUTED)]
    return (1 + sum(each >= _discrepancy(kernel, side) for each in chance)) / (1 + PERMUTED)


def _discrepancy(kernel: "NDArray[Any]", side: "NDArray[Any]") -> float:
    return float(side @ kernel @ side)
