"""Sliding committee: a forest and boosted trees, both fitted anew on the newest rows, in tenths of a second.

What was forgotten with the window cannot hold the answer back; the mean of two unlike learners is surer than either.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar

from feedback_loop.learning.incremental_learners._base import Features, IncrementalLearner

LEAST = 100
ROUNDS, MOST_TREES = 60, 200
"""Boosting fits a tree a round for two labels, and one a round and label for more: ten take fewer rounds then."""


class SlidingCommittee(IncrementalLearner):
    """The mean of extremely randomised trees and histogram boosting over the newest `window` rows."""

    name: ClassVar[str] = "sliding_committee"
    window: ClassVar[int] = 2_000
    replay: ClassVar[int] = 2_000

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._rows: deque[tuple[Features, str]] = deque(maxlen=self.window)
        self._fitted: tuple[Any, list[Any]] | None = None

    @property
    def classes_(self) -> Sequence[str]:
        """The labels within the window."""
        return [] if self._fitted is None else [str(label) for label in self._fitted[1][0].classes_]

    def learn(self, features: Sequence[Features], labels: Sequence[str]) -> None:
        """Moves the window on."""
        self._rows.extend(zip(features, labels, strict=True))

    def renew(self) -> None:
        """Fits both again, once there are LEAST rows with two labels in the window."""
        from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
        from sklearn.feature_extraction import DictVectorizer
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        known = [label for _, label in self._rows]
        if len(known) < LEAST or len(set(known)) < 2:
            return
        vectorizer = DictVectorizer(sparse=False)
        matrix = vectorizer.fit_transform([each for each, _ in self._rows])
        forest = ExtraTreesClassifier(30, min_samples_leaf=2, random_state=self.seed)
        rounds = min(ROUNDS, max(MOST_TREES // len(set(known)), 1))
        trees = HistGradientBoostingClassifier(
            max_iter=rounds, max_leaf_nodes=15, early_stopping=False, random_state=self.seed
        )
        with threadpool_limits(1):  # so many threads as a machine has cores only wait for each other here
            self._fitted = vectorizer, [member.fit(matrix, known) for member in (forest, trees)]

    def predict_proba(self, features: Sequence[Features]) -> Any:
        """The mean of what both say."""
        assert self._fitted is not None, "ask for classes_ first"
        vectorizer, members = self._fitted
        matrix = vectorizer.transform(features)
        return sum(member.predict_proba(matrix) for member in members) / len(members)

    def __getstate__(self) -> dict[str, Any]:
        """What it takes to answer; the rows stay with who learns."""
        return {"seed": self.seed, "_rows": deque(maxlen=self.window), "_fitted": self._fitted}
