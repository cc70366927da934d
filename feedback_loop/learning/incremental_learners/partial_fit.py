"""Partial fit: a linear model that takes a gradient step for each row, in constant memory, whatever it has seen."""

from collections.abc import Sequence
from typing import Any, ClassVar

from feedback_loop.learning.incremental_learners._base import Features, IncrementalLearner

BUCKETS = 4_096


class PartialFit(IncrementalLearner):
    """Logistic regression by stochastic gradient descent over hashed, scaled features (scikit-learn's partial_fit).

    It starts anew from the newest rows when a label comes that it does not know.
    """

    name: ClassVar[str] = "partial_fit"

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._model: Any = None
        self._scaler: Any = None

    @property
    def classes_(self) -> Sequence[str]:
        """The labels of its first rows, and of those since it last started anew."""
        return [] if self._model is None else [str(label) for label in self._model.classes_]

    def learn(self, features: Sequence[Features], labels: Sequence[str]) -> None:
        """One step a row."""
        from sklearn.linear_model import SGDClassifier
        from sklearn.preprocessing import MaxAbsScaler

        known = sorted({*labels, *self.classes_})
        if len(known) < 2:
            return
        if self._model is None or known != list(self.classes_):
            self._model = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=self.seed)
            self._scaler = MaxAbsScaler()
        matrix = self._hashed(features)
        self._scaler.partial_fit(matrix)
        self._model.partial_fit(self._scaler.transform(matrix), labels, classes=known)

    def predict_proba(self, features: Sequence[Features]) -> Any:
        """By the logistic link."""
        return self._model.predict_proba(self._scaler.transform(self._hashed(features)))

    def _hashed(self, features: Sequence[Features]) -> Any:
        from sklearn.feature_extraction import FeatureHasher

        return FeatureHasher(BUCKETS).transform(features)
