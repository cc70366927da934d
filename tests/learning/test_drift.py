"""Drift: found when it is there, rarely cried when it is not, and moved inputs alone are no reason to retrain."""

import numpy as np
import pytest

from feedback_loop.learning.drift import Learnt, Window, first_and_newest, held_to, of_model, report, window
from feedback_loop.learning.rows import inference_row
from tests.learning.worlds import answered, at, found, inference_table


def _labels(correct, of=100):
    return Window(labelled=of, correct=correct)


def _inputs(values, labelled=100, correct=90, name="x"):
    return Window(labelled, correct, len(values), {name: list(values)})


def test_a_clear_loss_of_accuracy_is_drift():
    """From .95 to .60 is drift, and the reason says the figures."""
    seen = report(_labels(95), _labels(60))

    assert (seen.detected, seen.accuracy_reference, seen.accuracy_recent, seen.samples) == (True, 0.95, 0.6, 100)
    assert any(reason.startswith("accuracy 0.600 against 0.950 over 100 labels") for reason in seen.reasons)


@pytest.mark.parametrize(
    ("reference", "recent"),
    [
        (_labels(95), _labels(90)),
        (_labels(9500, 10_000), _labels(8900, 10_000)),
        (_labels(95), _labels(0, of=39)),
        (Window(), _labels(10)),
        (_labels(60), _labels(95)),
    ],
)
def test_small_unsure_or_unknown_losses_are_none(reference, recent):
    """A loss may be too small to matter, too unsure, rest on too few labels, or be a gain."""
    seen = report(reference, recent)

    assert not seen.detected
    assert seen.reasons


@pytest.mark.parametrize("accuracy", [0.7, 0.85, 0.95])
def test_false_alarms_are_rare(accuracy):
    """Where nothing changed, fewer than one comparison in two hundred finds drift."""
    draws = np.random.default_rng(1).binomial(100, accuracy, size=(1000, 2))

    alarms = sum(report(_labels(int(a)), _labels(int(b))).detected for a, b in draws)

    assert alarms < 5


def test_a_stable_input_has_not_moved():
    """Continuous, discrete and constant features that stay as they were are found unmoved."""
    rng = np.random.default_rng(2)
    makers = [lambda n: rng.normal(size=n), lambda n: rng.integers(0, 4, n), lambda n: np.full(n, 3.0)]

    for make in makers:
        moved = [report(_inputs(make(200)), _inputs(make(200))).inputs_moved for _ in range(100)]
        assert sum(moved) <= 1


def test_a_moved_input_is_seen_and_is_no_drift_alone():
    """Inputs that moved while the answers stayed right are told, and start nothing."""
    rng = np.random.default_rng(3)
    seen = report(_inputs(rng.normal(size=300)), _inputs(rng.normal(size=300) + 2))

    [feature] = seen.per_feature
    assert (seen.detected, seen.inputs_moved, feature.has_drifted) == (False, True, True)
    assert feature.recent_mean - feature.reference_mean == pytest.approx(2, abs=0.3)
    assert "inputs moved, but accuracy does not suffer" in seen.reasons


def test_a_constant_input_that_changes_has_moved():
    """A pixel that was always 0 and is now always 8 has moved, although it has no deciles."""
    assert report(_inputs([0.0] * 200), _inputs([8.0] * 200)).per_feature[0].has_drifted


@pytest.mark.parametrize("still_sent", [{}, {"x": [1.0] * 20}])
def test_an_input_no_longer_sent_has_moved(still_sent):
    """A feature that most inferences no longer hold, or now do, is drift of the inputs, too."""
    before, now = Window(100, 90, 200, {"x": [1.0] * 200}), Window(100, 90, 200, still_sent)

    assert report(before, now).inputs_moved
    assert report(now, before).inputs_moved


def test_moved_inputs_count_when_labels_are_missing():
    """Without labels nobody can see the answers suffer, so the inputs must speak; the reason says it."""
    seen = report(_inputs([0.0] * 200), _inputs([8.0] * 200, labelled=5, correct=5))

    assert seen.detected
    assert "inputs moved, and labels to see the effect are missing" in seen.reasons


def test_moved_inputs_make_a_suffering_accuracy_sure():
    """A loss that is only a hint by itself is drift when the inputs moved as well."""
    hint = report(_inputs([0.0] * 200, correct=90), _inputs([0.0] * 200, correct=81))
    both = report(_inputs([0.0] * 200, correct=90), _inputs([8.0] * 200, correct=81))

    assert (hint.detected, hint.accuracy_suffers) == (False, True)
    assert both.detected


def test_too_few_inputs_are_not_compared():
    """Below 200 inputs a side the index is noise, and is not worked out."""
    assert report(_inputs([0.0] * 199), _inputs([8.0] * 300)).per_feature == ()


def test_a_weak_promotion_is_found_wanting():
    """Held to its predecessor, a champion promoted after little drifted data is reported; by itself it would pass."""
    weak = _labels(75)

    assert not report(weak, _labels(75)).detected
    assert report(weak, _labels(75), held_to(0.75, 0.96), reference_samples=100).detected


def test_a_harder_world_ends_the_retrainings():
    """Each champion concedes a little, so that where no better can be learnt the loop comes to rest."""
    held, generations = 0.96, 0
    while report(_labels(80), _labels(80), held, reference_samples=100).detected:
        held, generations = held_to(0.80, held), generations + 1
        assert generations < 10

    assert 1 <= generations <= 3
    assert held_to(None, None) is None


def test_windows_do_not_overlap():
    """The first rows of a champion are its reference, the newest of the rest are recent; other models are not seen."""
    rows = [inference_row(at(answered("a", f"r{n}"), n)) for n in range(10)]
    rows.append(inference_row(at(answered("a", "other", model_version="v2"), 11)))
    mine = of_model(inference_table(rows), 1, "default", "v1")

    first, newest = (found(part) for part in first_and_newest(mine, "log_offset", 4))

    assert [row["log_offset"] for row in first] == [0, 1, 2, 3]
    assert [row["log_offset"] for row in newest] == [6, 7, 8, 9]


def test_a_window_counts_labels_and_gathers_features():
    """Labels that judge nothing are not counted; numbers are gathered by name, text is not."""
    seen = window([{"correct": True}, {"correct": None}, {"correct": False}], ['{"x":1,"y":["a",2]}', None])

    assert (seen.labelled, seen.correct, seen.inferences) == (2, 1, 2)
    assert seen.features == {"x": [1.0], "y.1": [2.0]}


def test_a_champion_that_learnt_mostly_from_other_inputs_is_outgrown():
    """Trained half a minute into a drift, it is alike to its own first answers and unlike what it was taught."""
    before, now = [float(n % 10) for n in range(700)], [50.0 + n % 10 for n in range(300)]
    serving = report(_inputs(now), _inputs(now), learnt=Learnt(1000, _inputs(before + now)))
    taught_anew = report(_inputs(now), _inputs(now), learnt=Learnt(1000, _inputs(now)))

    assert not serving.detected
    assert serving.outgrown_rows == 1000
    assert taught_anew.outgrown_rows is None
