"""Domain classifier: whether a model can tell recent inputs from earlier ones, which also sees what moved together."""

from collections.abc import Sequence
from typing import ClassVar

from feedback_loop.learning.drift_detectors._base import DriftDetector, Finding, Thresholds, Window


class DomainClassifier(DriftDetector):
    """Boosted trees over all numeric inputs, or over embeddings, judged on rows they were not fitted to.

    For windows of `classifier_samples` and more: smaller ones are learnt by heart.
    """

    name: ClassVar[str] = "domain_classifier"

    def detect(self, reference: Window, recent: Window, thresholds: Thresholds) -> Finding:
        """By the area under the curve: 0.5 where nobody could tell."""
        before, now = _matrix(reference, recent)
        samples = min(len(before), len(now))
        if samples < thresholds.classifier_samples:
            return Finding("input", False, False, f"not for {samples} inputs", is_concerned=False)
        area = _area(before, now)
        is_drift = area >= thresholds.classifier_area
        return Finding("input", is_drift, is_drift, f"recent inputs can be told from earlier ones (AUC {area:.2f})")


def _matrix(reference: Window, recent: Window) -> tuple[list[Sequence[float]], list[Sequence[float]]]:
    """The rows of both windows over the features that every inference of both has."""
    if reference.vectors and recent.vectors:
        return list(reference.vectors), list(recent.vectors)
    names = [
        name
        for name in sorted(reference.features.keys() & recent.features.keys())
        if all(len(window.features[name]) == window.inferences for window in (reference, recent))
    ]
    sides = [list(zip(*(window.features[name] for name in names), strict=True)) for window in (reference, recent)]
    return list(sides[0]), list(sides[1])


def _area(before: Sequence[Sequence[float]], now: Sequence[Sequence[float]]) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    rows, sides = [*before, *now], [0] * len(before) + [1] * len(now)
    learnt = [place for place in range(len(rows)) if place % 2]
    asked = [place for place in range(len(rows)) if not place % 2]
    model = HistGradientBoostingClassifier(max_iter=30, max_leaf_nodes=8, early_stopping=False, random_state=0)
    with threadpool_limits(1):
        model.fit([rows[place] for place in learnt], [sides[place] for place in learnt])
        found = model.predict_proba([rows[place] for place in asked])[:, 1]
    return float(roc_auc_score([sides[place] for place in asked], found))
