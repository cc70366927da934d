"""Explaining: the feature that decides weighs most, and a piece of text has its place. It compiles for seconds."""

import io
import random

import joblib
import orjson
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from feedback_loop.learning.errors import ArtifactMismatch
from feedback_loop.learning.explaining import classifier_of, explain
from feedback_loop.learning.training import train

pytestmark = pytest.mark.chaos


def artifact(model: object) -> bytes:
    """The bytes of any object."""
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    return buffer.getvalue()


def test_the_feature_that_decides_weighs_most():
    """Of six numbers the fourth alone makes the label."""
    chance = random.Random(0)
    inputs = [{"x": [chance.random() for _ in range(6)]} for _ in range(120)]
    rows = [{"inputs": orjson.dumps(each).decode(), "label": '"a"' if each["x"][3] > 0.5 else '"b"'} for each in inputs]
    model = classifier_of(train(rows, 0).to_bytes())

    found = explain(model, [{"x": [0.5, 0.5, 0.5, 0.99, 0.5, 0.5]}, {"x": [0.5, 0.5, 0.5, 0.01, 0.5, 0.5]}], inputs)

    assert [weights[0].feature for weights in found] == ["x.3", "x.3"]
    assert all(weights[0].value > 0 for weights in found)
    assert explain(model, [], inputs) == []


def test_a_piece_of_text_has_its_place():
    """A scikit-learn classifier of texts: the word that decides is pointed at."""
    texts = ["the refund is late", "i love the service", "terrible refund here", "great love here"] * 10
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=100)).fit(texts, ["bad", "good"] * 20)
    text = "well, the refund: is it here?"

    [weights] = explain(classifier_of(artifact(model)), [text], [])

    assert weights[0].feature.startswith("refund") and weights[0].value > 0
    assert all(text[each.start : each.end] == each.feature for each in weights)


def test_what_is_no_classifier_is_refused():
    """Whatever else an artifact holds."""
    with pytest.raises(ArtifactMismatch, match="dict"):
        classifier_of(artifact({}))
