"""Streams of known truth in which one answer in twenty is spoken of: what each metric's default is worth."""

import random

from feedback_loop.learning.metrics import collect, interval_of
from tests.learning.worlds import Follower, answered, at, given

ANSWERS = 10_000
WRONG = 0.04
"""The share of answers that are wrong."""


def counted(metric, rows):
    """Value and interval of the one metric, over everything."""
    up, down, squares, weights = next(
        sums for key, sums in Follower(10**9).follow(rows).segments().items() if key[3] == metric
    )
    return float(up / down), interval_of(collect()[metric].interval, up, down, squares, weights)


def world(say):
    """Ten thousand answers, and what `say` makes of each: (chance, request, is_wrong) -> feedback rows."""
    chance = random.Random(11)
    rows, spoken, wrong = [], set(), 0
    for n in range(ANSWERS):
        request, is_wrong = f"r{n}", chance.random() < WRONG
        wrong += is_wrong
        rows.append(at(answered("a", request), len(rows) + 1))
        for row in say(chance, request, is_wrong):
            spoken.add(request)
            rows.append(at(row, len(rows) + 1))
    return rows, spoken, wrong / ANSWERS


def corrections_mostly(chance, request, is_wrong):
    """Whoever gets a wrong answer corrects it; of the others one in a hundred says thanks."""
    if is_wrong:
        yield given("explicit_correction", {"corrected_label": "b"}, f"f{request}", inference_request_id=request)
    elif chance.random() < 0.0105:
        yield given("explicit_binary", {"positive": True}, f"f{request}", inference_request_id=request)


def truth_of_some(chance, request, is_wrong):
    """Of one answer in twenty, chosen blindly, it turns out what would have been right."""
    if chance.random() < 0.05:
        yield given("ground_truth", {"label": "b" if is_wrong else "a"}, f"f{request}", inference_request_id=request)


def clicks_of_some(chance, request, is_wrong):
    """Every answer is an item that is shown; one in twenty is clicked, and nobody says that he did not click."""
    items = {"items": [{"item_id": "i", "position": 0}]}
    yield given("exposure", items, f"e{request}", inference_request_id=request)
    if chance.random() < 0.05:
        yield given("implicit_click", {"item_id": "i"}, f"f{request}", inference_request_id=request)


def test_silence_is_no_correction():
    """Corrections over all answers find the true share of errors; over those spoken of, nearly all would be wrong."""
    rows, spoken, truth = world(corrections_mostly)

    value, (low, high) = counted("correction_rate", rows)
    naive = value * ANSWERS / len(spoken)

    assert 0.045 < len(spoken) / ANSWERS < 0.055
    assert low <= truth <= high
    assert not low <= naive <= high and 1 - naive < 0.25


def test_silence_says_nothing_of_accuracy():
    """The answers of which the truth is known stand for all; were silence wrong or right, it would be far off."""
    rows, spoken, wrong = world(truth_of_some)

    value, (low, high) = counted("accuracy", rows)
    right = value * len(spoken)

    assert low <= 1 - wrong <= high
    assert not low <= right / ANSWERS <= high
    assert not low <= (ANSWERS - len(spoken) + right) / ANSWERS <= high


def test_an_item_that_nobody_clicked_is_an_item_not_clicked():
    """Clicks over items shown find the true rate; over the items that somebody spoke of, everything was clicked."""
    rows, _, _ = world(clicks_of_some)
    clicks = sum(row.id.startswith("f") for row in rows)

    value, (low, high) = counted("click_through", rows)

    assert value == clicks / ANSWERS
    assert low <= 0.05 <= high
    assert not low <= clicks / clicks <= high
