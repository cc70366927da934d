"""Explaining: how much each feature, or each piece of a text, weighed in an answer, as SHAP values.

For the project's own models, and for any scikit-learn classifier of texts. Not for a hot path: a prediction is made
for many changed versions of each input.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from feedback_loop.learning.errors import ArtifactMismatch
from feedback_loop.learning.training import TrainedModel

TOP = 5
BACKGROUND = 10
"""So many inputs stand for what the model usually sees."""
WORDS = r"\W+"


class Weight(NamedTuple):
    """What one feature moved the likelihood of the answer by; `start` and `end` are its place in a text, else None."""

    feature: str
    value: float
    start: int | None = None
    end: int | None = None


def classifier_of(artifact: bytes) -> Any:
    """The model of an artifact that the registry has checked: a TrainedModel, or a scikit-learn classifier.

    Raises ArtifactMismatch. As `TrainedModel.from_bytes` says, only promised bytes may come here.
    """
    import io

    import joblib  # type: ignore[import-untyped]

    model = joblib.load(io.BytesIO(artifact))
    if not isinstance(model, TrainedModel) and not hasattr(model, "predict_proba"):
        raise ArtifactMismatch(f"the artifact holds a {type(model).__name__}, no classifier")
    return model


def explain(model: Any, inputs: Sequence[Any], usual: Sequence[Any]) -> list[list[Weight]]:
    """For each of `inputs` the TOP weights of the answer that the model gives it, the largest first.

    `usual` are inputs that the model usually sees. A classifier that is no TrainedModel is given texts.
    """
    if not inputs:
        return []
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):
        if isinstance(model, TrainedModel):
            return _features_explained(model, inputs, usual[:BACKGROUND])
        return _texts_explained(model.predict_proba, [str(each) for each in inputs])


def _features_explained(model: TrainedModel, inputs: Sequence[Any], usual: Sequence[Any]) -> list[list[Weight]]:
    """By permutation, against the usual ones."""
    import shap

    names, table = model.vectorized(inputs)
    background = model.vectorized(usual or inputs)[1]
    masker = shap.maskers.Independent(background, max_samples=BACKGROUND)
    explainer = shap.explainers.Permutation(model.likelihoods, masker, seed=0)
    found = explainer(table, max_evals=2 * table.shape[1] + 1, silent=True).values
    answers = model.likelihoods(table).argmax(axis=1)
    return [
        _top([Weight(name, float(value)) for name, value in zip(names, found[place][:, answer], strict=True)])
        for place, answer in enumerate(answers)
    ]


def _texts_explained(likelihoods: Callable[[list[str]], Any], texts: Sequence[str]) -> list[list[Weight]]:
    """By leaving pieces out, each with its place."""
    import shap

    explainer = shap.Explainer(lambda some: likelihoods(list(some)), shap.maskers.Text(WORDS), seed=0)
    answers = likelihoods(list(texts)).argmax(axis=1)
    explained = []
    for text, answer in zip(texts, answers, strict=True):
        found = explainer([text], silent=True)
        pieces, start = [], 0
        for piece, value in zip(found.data[0], found.values[0][:, answer], strict=True):
            word = piece.rstrip()
            place = text.index(word, start)
            pieces.append(Weight(word, float(value), place, place + len(word)))
            start = place + len(word)
        explained.append(_top([each for each in pieces if each.feature]))
    return explained


def _top(weights: Sequence[Weight]) -> list[Weight]:
    return sorted(weights, key=lambda each: (-abs(each.value), each.feature))[:TOP]
