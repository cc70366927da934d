"""The detectors one by one: each finds what it is there for, and is quiet where nothing changed."""

import numpy as np
import pytest

from feedback_loop.learning.drift import report, window
from feedback_loop.learning.drift_detectors import Thresholds, Window, collect

CONCEPT = ("adwin", "ddm", "kswin", "page_hinkley")


def _found(name, reference, recent, thresholds=None):
    return collect()[name]().detect(reference, recent, thresholds or Thresholds())


def _answers(random, share, count=150):
    outcomes = tuple(bool(each) for each in random.random(count) < share)
    return Window(count, sum(outcomes), outcomes=outcomes)


@pytest.mark.parametrize("name", CONCEPT)
def test_errors_that_rise_are_found_and_those_that_fall_are_not(name):
    """From .9 right to .3 is found in the recent answers; from .3 to .9 is a change, but no reason to train."""
    random = np.random.default_rng(1)
    good, bad = _answers(random, 0.9), _answers(random, 0.3)

    found = _found(name, good, bad)

    assert (found.kind, found.is_drift, found.is_concerned) == ("concept", True, True)
    assert "errors rise after" in found.reason
    assert not _found(name, bad, good).is_drift


def test_false_alarms_of_the_concept_detectors_agree_rarely():
    """One alone cries now and then where nothing changed, which is why two must agree."""
    random = np.random.default_rng(2)
    pairs = [(_answers(random, 0.85), _answers(random, 0.85)) for _ in range(12)]

    alarms = [[name for name in CONCEPT if _found(name, *pair).is_drift] for pair in pairs]

    assert sum(len(each) >= 2 for each in alarms) <= 1


def test_small_windows_are_compared_by_kolmogorov_smirnov():
    """Below what the stability index needs: a shifted feature is found, an equal one is not, and it is named so."""
    random = np.random.default_rng(3)
    before, alike, moved = (Window(inferences=80, features={"x": list(random.normal(m, 1, 80))}) for m in (0, 0, 2))

    assert _found("kolmogorov_smirnov", before, moved).is_drift
    assert not _found("kolmogorov_smirnov", before, alike).is_drift
    assert not _found("input_shift", before, moved).is_drift


def test_categories_that_move_are_found():
    """A country that was rare becomes common; names that nobody has twice are no categories."""
    before, now = ({"country": {"at": 90, "de": 10}}, {"country": {"at": 20, "de": 80}})
    names = {"name": {f"n{n}": 1 for n in range(100)}}

    told, later, named = (Window(inferences=100, categories=each) for each in (before, now, names))
    assert _found("chi_squared", told, later).is_drift
    assert not _found("chi_squared", named, named).is_drift


def test_labels_that_shift_are_told_and_start_nothing():
    """Seven of ten are "b" now: told as a finding of the report, which finds no drift in it."""
    before, now = Window(100, 90, labels={"a": 70, "b": 30}), Window(100, 90, labels={"a": 30, "b": 70})

    seen = report(before, now)

    assert [(each.detector, each.kind) for each in seen.findings if each.is_drift] == [("label_shift", "label")]
    assert not seen.detected
    assert "labels are spread otherwise by 40%" in seen.reasons


def test_embeddings_from_elsewhere_are_found():
    """Vectors about another centre are found; from the same cloud they are not."""
    random = np.random.default_rng(4)
    before, alike, moved = (Window(vectors=random.normal(m, 1, (60, 8)).tolist()) for m in (0, 0, 1))

    assert _found("embedding_shift", before, moved).is_drift
    assert not _found("embedding_shift", before, alike).is_drift


def test_what_moved_together_is_found_by_a_classifier():
    """Each feature alone is spread as before, only their product turned round: no other detector sees it."""
    random = np.random.default_rng(5)
    x, y = random.choice([-1.0, 1.0], (2, 600)) + random.normal(0, 0.1, (2, 600))
    before, now = ({"x": list(x), "y": list(sign * x * abs(y))} for sign in (1, -1))
    sides = [Window(inferences=600, features=each) for each in (before, now)]
    limits = Thresholds(classifier_samples=500)

    assert _found("domain_classifier", *sides, limits).is_drift
    assert not _found("input_shift", *sides, limits).is_drift
    assert not _found("domain_classifier", sides[0], sides[0], limits).is_drift


def test_a_window_holds_what_the_detectors_ask_for():
    """Answers in order, labels by name, categories by value, and inputs that are vectors, or embeddings of them."""
    labelled = [
        {"correct": True, "label": '"a"'},
        {"correct": None, "label": '"b"'},
        {"correct": False, "label": '"a"'},
    ]

    seen = window(labelled, ['{"x":1,"c":"u"}', '{"x":2,"c":"u"}'])

    assert (seen.labelled, seen.correct, seen.outcomes) == (2, 1, (True, False))
    assert (seen.labels, seen.categories) == ({'"a"': 2}, {"c": {"u": 2}})
    assert window([], ["[1.0,2.0]", "[3,4]"]).vectors == [[1.0, 2.0], [3.0, 4.0]]
    assert window([], ["[1.0,2.0]", "[3,4]"], [None, [5.0]]).vectors == [[5.0]]


def test_inputs_that_came_or_went_are_named():
    """What half of the inferences of one window have and none of the other."""
    before, now = (Window(inferences=300, features={name: [1.0] * 300, "y": [2.0] * 300}) for name in ("x", "z"))

    assert report(before, now).inputs_came_or_went == ("x", "z")
