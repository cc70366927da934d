"""What every incremental learner promises, whoever wrote it."""

import random

import orjson
import pytest

from feedback_loop.learning.incremental_learners import collect
from feedback_loop.learning.training import TrainedModel, of_learner

LABELS = ('"a"', '"b"')


def _rows(count, seed, flipped=False):
    chance = random.Random(seed)
    rows = [{"x": chance.random(), "y": chance.random()} for _ in range(count)]
    return rows, [LABELS[(row["x"] > row["y"]) != flipped] for row in rows]


def _taught(name, batches=20, **more):
    learner = collect()[name](seed=3)
    for batch in range(batches):
        learner.learn(*_rows(20, batch, **more))
    learner.renew()
    return learner


def _accuracy(learner, rows, labels):
    found = learner.predict_proba(rows)
    said = [learner.classes_[row.argmax()] for row in found]
    assert found.sum(axis=1) == pytest.approx(1)
    return sum(one == other for one, other in zip(said, labels, strict=True)) / len(labels)


@pytest.mark.parametrize("name", collect())
def test_it_learns_row_by_row_what_can_be_learnt(name):
    """Before anything it can answer nothing; then it gets better than chance, also as an artifact that was stored."""
    assert list(collect()[name]().classes_) == []
    assert collect()[name].__doc__
    learner, (rows, labels) = _taught(name), _rows(200, 99)
    model = TrainedModel.from_bytes(of_learner(learner, frozenset(), 800).to_bytes())

    names, table = model.vectorized(rows)
    assert names == ["x", "y"]
    assert model.likelihoods(table).tolist() == learner.predict_proba(rows).tolist()
    assert _accuracy(learner, rows, labels) > 0.75
    assert [answer.label for answer in model.predict(rows)] == [
        orjson.loads(learner.classes_[row.argmax()]) for row in learner.predict_proba(rows)
    ]


@pytest.mark.parametrize("name", collect())
def test_the_same_rows_make_the_same_model(name):
    """So an increment can be made again from the log."""
    rows, _ = _rows(50, 7)

    first, second = (_taught(name, 6).predict_proba(rows) for _ in range(2))

    assert first.tolist() == second.tolist()


@pytest.mark.parametrize("name", collect())
def test_it_follows_a_world_that_turned_round(name):
    """Taught the opposite for long enough it says the opposite."""
    learner = _taught(name, 10)
    for batch in range(110):
        learner.learn(*_rows(20, 1_000 + batch, flipped=True))
    learner.renew()

    rows, labels = _rows(200, 99, flipped=True)
    assert _accuracy(learner, rows, labels) > 0.7
