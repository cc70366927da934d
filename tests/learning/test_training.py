"""Training: in seconds, the same every time, for images, tables and categories."""

import json
from hashlib import sha256
from random import Random

import pytest

from feedback_loop.learning.errors import ArtifactMismatch, TooLittleToLearn
from feedback_loop.learning.training import TrainedModel, train


def _row(inputs, label):
    return {"inputs": json.dumps(inputs), "label": json.dumps(label)}


def _prices(count, seed=0):
    dice = Random(seed)
    rows = []
    for _ in range(count):
        x, y, place = dice.random(), dice.random(), dice.choice(["north", "south"])
        up = x + 0.2 * y > (0.5 if place == "north" else 0.8)
        rows.append(_row({"x": x, "y": y, "place": place}, "UP" if up else "DOWN"))
    return rows


@pytest.fixture(scope="module")
def model():
    """One small model for the tests that only look."""
    return train(_prices(300), seed=0)


def test_a_table_with_a_category_is_learnt(model):
    """Numbers and categories together are learnt well, and the probabilities sum to one."""
    fresh = _prices(200, seed=1)
    answers = model.predict([json.loads(row["inputs"]) for row in fresh])

    right = sum(answer.label == json.loads(row["label"]) for answer, row in zip(answers, fresh, strict=True))
    assert right / len(fresh) > 0.9
    assert model.classes == ("DOWN", "UP")
    assert all(abs(sum(answer.probabilities.values()) - 1) < 1e-9 for answer in answers)
    assert set(model.validation) == {"neural_network", "boosted_trees"}


def test_digits_are_learnt_after_a_drift():
    """Three hundred images of another scanner among a thousand are enough to read it as well as the old one."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = list(range(len(labels)))
    Random(1).shuffle(order)

    def image(place, is_drifted):
        values = pixels[order[place]]
        return {"pixels": (values * 0.5 + 8 if is_drifted else values).tolist()}

    model = train([_row(image(n, n >= 700), int(labels[order[n]])) for n in range(1000)], seed=0)

    for is_drifted in (False, True):
        answers = model.predict([image(n, is_drifted) for n in range(1200, 1700)])
        right = sum(answer.label == labels[order[n]] for n, answer in enumerate(answers, start=1200))
        assert right / 500 > 0.93


def test_the_same_rows_and_seed_give_the_same_model(model):
    """Trained again the artifact is the same to the byte; another seed may differ."""
    assert train(_prices(300), seed=0).to_bytes() == model.to_bytes()


def test_an_artifact_gives_the_model_back(model):
    """The model that comes out of the bytes answers as the one that went in."""
    artifact = model.to_bytes()
    asked = [{"x": 0.9, "y": 0.9, "place": "north"}]

    again = TrainedModel.from_bytes(artifact, sha256(artifact).hexdigest())

    assert again.predict(asked) == model.predict(asked)
    assert again.validation == model.validation


def test_bytes_with_another_digest_are_not_loaded(model):
    """Where the promised SHA-256 is given, nothing is unpickled before it agrees."""
    with pytest.raises(ArtifactMismatch, match="nothing was loaded"):
        TrainedModel.from_bytes(b"cos\nsystem\n(S'false'\ntR.", "0" * 64)


def test_bytes_of_something_else_are_refused():
    """A pickle that is no model is an error with a name."""
    import io

    import joblib

    buffer = io.BytesIO()
    joblib.dump({"not": "a model"}, buffer)

    with pytest.raises(ArtifactMismatch, match="holds a dict"):
        TrainedModel.from_bytes(buffer.getvalue())


def test_strange_inputs_get_an_answer(model):
    """Fields never seen, fields missing and other shapes do not stop the model from answering."""
    answers = model.predict([{}, {"z": 1}, 7, ["a"], {"place": "west", "x": True}, None])

    assert len(answers) == 6
    assert {answer.label for answer in answers} <= {"UP", "DOWN"}
    assert model.predict([]) == []


def test_labels_keep_their_type():
    """Numbers, booleans and texts come back as they were given."""
    rows = [_row({"x": n % 2}, [3, "3"][n % 2]) for n in range(20)]

    answers = train(rows, seed=0).predict([{"x": 0}, {"x": 1}])

    assert [answer.label for answer in answers] == [3, "3"]


@pytest.mark.parametrize(
    "rows",
    [[], _prices(9), [_row({"x": n}, "one") for n in range(50)], [_row({"name": f"n{n}"}, n % 2) for n in range(50)]],
)
def test_too_little_is_not_learnt_from(rows):
    """Too few rows, one label, and inputs without anything to generalise from are an error with a name."""
    with pytest.raises(TooLittleToLearn):
        train(rows, seed=0)


def test_a_new_label_among_the_newest_rows_is_learnt():
    """A label the older rows never had does not break the comparison of the learners, and can be answered."""
    rows = [_row({"x": n % 3 / 2}, ["a", "b"][n % 2]) for n in range(80)] + [_row({"x": 9}, "c") for n in range(20)]

    assert train(rows, seed=0).predict([{"x": 9}])[0].label == "c"


def test_with_one_old_label_there_is_nothing_to_compare():
    """Where the older rows know one label, a learner is taken without figures made up for it."""
    model = train([_row({"x": 0}, "a")] * 40 + [_row({"x": 1}, "b")] * 10, seed=0)

    assert model.validation == {}
    assert model.predict([{"x": 1}])[0].label == "b"


def test_a_row_counts_as_often_as_it_stands_for():
    """Of two answers to one question, the one that stands for twenty is learnt, whichever came more often."""
    asked = [{"inputs": '{"x": 1}', "label": '"often"', "weight": 1.0}] * 30
    asked += [{"inputs": '{"x": 1}', "label": '"weighty"', "weight": 20.0}] * 10
    rows = [asked[(n * 7) % 40] for n in range(40)]

    plain = train([{**row, "weight": 1.0} for row in rows], 0)

    assert plain.predict([{"x": 1}])[0].label == "often"
    assert train(rows, 0).predict([{"x": 1}])[0].label == "weighty"
