"""Training: a classifier over flat features, good enough to close the loop on tables and small images, in seconds."""

import io
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from math import log
from typing import Any, NamedTuple

import orjson

from feedback_loop.learning.errors import ArtifactMismatch, TooLittleToLearn
from feedback_loop.learning.features import flatten
from feedback_loop.learning.incremental_learners import IncrementalLearner

Label = str | int | bool

MIN_ROWS = 10
VALIDATION_SHARE = 0.2
"""The newest share of the rows chooses between the learners: it is the nearest to what comes next."""

TEXT_MIN_ROWS = 5
"""A text value seen in fewer rows is no category: names and free text would only be learnt by heart."""


class Prediction(NamedTuple):
    """An answer, and how likely each label is; the likelihoods sum to 1."""

    label: Label
    probabilities: dict[Label, float]


class TrainedModel:
    """A fitted classifier with the labels it can answer.

    `classes` are the labels in the order of their JSON text; `chosen` names the learner and `validation` holds, for
    each learner, its log-loss and accuracy on the newest 20 % of the rows (empty where these could not be told).
    """

    _columns: tuple[str, ...] = ()

    def __init__(self, pipeline: Any, texts: Sequence[str], kept: frozenset[tuple[str, str]], notes: Mapping[str, Any]):
        self._pipeline = pipeline
        self._kept = kept
        self.classes: tuple[Label, ...] = tuple(orjson.loads(text) for text in texts)
        self.chosen: str = notes["chosen"]
        self.validation: dict[str, dict[str, float]] = notes["validation"]
        self.rows: int = notes["rows"]

    def predict(self, inputs: Sequence[Any]) -> list[Prediction]:
        """One prediction for each of `inputs`, as they stand in inferences; unknown features count for nothing."""
        if not inputs:
            return []
        with _one_thread():
            found = self._pipeline.predict_proba(features_of(inputs, self._kept))
        return [self._prediction(row) for row in found.tolist()]

    def _prediction(self, row: list[float]) -> Prediction:
        best = max(range(len(row)), key=row.__getitem__)
        return Prediction(self.classes[best], dict(zip(self.classes, row, strict=True)))

    def vectorized(self, inputs: Sequence[Any]) -> tuple[list[str], Any]:
        """The names of the features, and a row of their values for each of `inputs`, as the learner gets them."""
        if isinstance(self._pipeline, IncrementalLearner):
            return self._tabled(features_of(inputs, self._kept))
        vectorizer = self._pipeline.steps[0][1]
        return list(vectorizer.get_feature_names_out()), vectorizer.transform(features_of(inputs, self._kept))

    def likelihoods(self, vectors: Any) -> Any:
        """How likely each of `classes` is, for such rows."""
        if isinstance(self._pipeline, IncrementalLearner):
            rows = [dict(zip(self._columns, row, strict=True)) for row in vectors.tolist()]
            return self._pipeline.predict_proba(rows)
        return self._pipeline[1:].predict_proba(vectors)

    def _tabled(self, features: Sequence[Mapping[str, Any]]) -> tuple[list[str], Any]:
        """What an incremental learner takes by name, as a table: the numbers of the first inputs that are asked for."""
        import numpy

        if not self._columns:
            named = {name for each in features for name, value in each.items() if isinstance(value, float)}
            self._columns = tuple(sorted(named))
        table = [[each.get(name, 0.0) for name in self._columns] for each in features]
        return list(self._columns), numpy.asarray(table, dtype=float)

    def to_bytes(self) -> bytes:
        """The model as the artifact the registry keeps."""
        import joblib  # type: ignore[import-untyped]

        buffer = io.BytesIO()
        joblib.dump(self, buffer, compress=3)
        return buffer.getvalue()

    @staticmethod
    def from_bytes(artifact: bytes, sha256_hex: str | None = None) -> "TrainedModel":
        """The model of an artifact. Raises ArtifactMismatch where the bytes are another model or none.

        The bytes are a joblib pickle: loading one that a stranger made runs the stranger's code. Only bytes whose
        SHA-256 is the one the registry promised may come here: the registry checks that when it hands them out; who
        has them from elsewhere gives the promised digest, and it is checked before anything is loaded.
        """
        import joblib

        if sha256_hex is not None and sha256(artifact).hexdigest() != sha256_hex:
            raise ArtifactMismatch("the artifact's SHA-256 is not the promised one; nothing was loaded")
        model = joblib.load(io.BytesIO(artifact))
        if not isinstance(model, TrainedModel):
            raise ArtifactMismatch(f"the artifact holds a {type(model).__name__}, no model")
        return model


def train(rows: Sequence[Mapping[str, Any]], seed: int) -> TrainedModel:
    """Fits the better of a small neural network and boosted trees; the same rows and seed give the same model.

    `rows` come in the order of feedback_offset and hold `inputs` and `label` as JSON text (as tables do), and perhaps
    the `weight` of what they stand for. The learner
    with the lower log-loss on the newest 20 % is fitted again on all rows. Raises TooLittleToLearn.
    """
    labels = [row["label"] for row in rows]
    weights = [row.get("weight") or 1.0 for row in rows]
    if len(labels) < MIN_ROWS or len(set(labels)) < 2:
        raise TooLittleToLearn(f"{len(labels)} rows with {len(set(labels))} labels; it takes {MIN_ROWS} with 2")
    inputs = [orjson.loads(row["inputs"]) for row in rows]
    kept = _categories(inputs)
    features = features_of(inputs, kept)
    if not any(features):
        raise TooLittleToLearn("the inputs hold no number and no category to learn from")
    with _one_thread():
        validation = _validation(features, labels, weights, seed)
        chosen = min(validation, key=lambda name: validation[name]["log_loss"], default="neural_network")
        pipeline = _fitted(_learners(seed)[chosen], features, labels, weights)
    notes = {"chosen": chosen, "validation": validation, "rows": len(labels)}
    return TrainedModel(pipeline, [str(text) for text in pipeline.classes_], kept, notes)


def of_learner(learner: IncrementalLearner, kept: frozenset[tuple[str, str]], rows: int) -> TrainedModel:
    """What an incremental learner has learnt so far from so many rows, as a model like any other."""
    return TrainedModel(learner, learner.classes_, kept, {"chosen": learner.name, "validation": {}, "rows": rows})


def _validation(
    features: list[dict[str, Any]], labels: list[str], weights: Sequence[float], seed: int
) -> dict[str, dict[str, float]]:
    """The log-loss and accuracy of each learner on the newest rows, having seen only the older ones.

    Empty where the older rows know one label only: then nothing can be compared.
    """
    split = len(labels) - max(int(len(labels) * VALIDATION_SHARE), 1)
    if len(set(labels[:split])) < 2:
        return {}
    scores = {}
    for name, learner in _learners(seed).items():
        fitted = _fitted(learner, features[:split], labels[:split], weights[:split])
        scores[name] = _scores(list(fitted.classes_), fitted.predict_proba(features[split:]).tolist(), labels[split:])
    return scores


def _fitted(learner: Any, features: list[dict[str, Any]], labels: list[str], weights: Sequence[float]) -> Any:
    """The learner, fitted so that a row counts as often as its weight says; where all are alike, as without."""
    if len(set(weights)) < 2:
        return learner.fit(features, labels)
    return learner.fit(features, labels, **{f"{learner.steps[-1][0]}__sample_weight": list(weights)})


def _scores(classes: list[str], found: list[list[float]], labels: list[str]) -> dict[str, float]:
    loss, right = 0.0, 0
    for row, label in zip(found, labels, strict=True):
        likelihood = row[classes.index(label)] if label in classes else 0.0
        loss -= log(max(likelihood, 1e-6))
        right += classes[max(range(len(row)), key=row.__getitem__)] == label
    return {"log_loss": loss / len(labels), "accuracy": right / len(labels)}


def _learners(seed: int) -> dict[str, Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # On digits and elec2 these were as accurate as the defaults with more rounds, surer of nothing, and twice as fast.
    network = MLPClassifier((64,), alpha=0.1, max_iter=150, random_state=seed)
    trees = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=seed)
    learners = {"neural_network": network, "boosted_trees": trees}
    return {
        name: make_pipeline(DictVectorizer(sparse=False), StandardScaler(), learner)
        for name, learner in learners.items()
    }


def _categories(inputs: Sequence[Any]) -> frozenset[tuple[str, str]]:
    """The (name, text) pairs that are common enough to be categories."""
    counts = Counter(pair for each in inputs for pair in flatten(each).items() if isinstance(pair[1], str))
    return frozenset((name, str(value)) for (name, value), count in counts.items() if count >= TEXT_MIN_ROWS)


def features_of(inputs: Sequence[Any], kept: frozenset[tuple[str, str]]) -> list[dict[str, Any]]:
    """The flat features of each of `inputs`; of the texts only those that are `kept` as categories, by name."""
    return [
        {name: value for name, value in flatten(each).items() if not isinstance(value, str) or (name, value) in kept}
        for each in inputs
    ]


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread gives the same sums every time, and leaves the other cores to the door and the stream."""
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
