"""Adaptive forest: river's random forest, each tree of which is replaced when its own error tells of a drift."""

from collections.abc import Sequence
from typing import Any, ClassVar

from feedback_loop.learning.incremental_learners._base import Features, IncrementalLearner


class AdaptiveForest(IncrementalLearner):
    """Gomes et al., "Adaptive random forests for evolving data stream classification" (Machine Learning 106, 2017)."""

    name: ClassVar[str] = "adaptive_forest"

    def __init__(self, seed: int = 0) -> None:
        from river.forest import ARFClassifier

        super().__init__(seed)
        self._forest = ARFClassifier(seed=seed)
        self._labels: dict[str, None] = {}

    @property
    def classes_(self) -> Sequence[str]:
        """Every label it has seen, in the order of their JSON text."""
        return sorted(self._labels) if len(self._labels) > 1 else []

    def learn(self, features: Sequence[Features], labels: Sequence[str]) -> None:
        """Row by row."""
        for each, label in zip(features, labels, strict=True):
            self._labels[label] = None
            self._forest.learn_one(dict(each), label)

    def predict_proba(self, features: Sequence[Features]) -> Any:
        """A label that no tree knows counts as impossible; where none says anything, all are alike."""
        import numpy

        known = self.classes_
        rows = []
        for each in features:
            found = self._forest.predict_proba_one(dict(each))
            row = [found.get(label, 0.0) for label in known]
            rows.append(row if sum(row) > 0 else [1 / len(known)] * len(known))
        return numpy.asarray(rows)
