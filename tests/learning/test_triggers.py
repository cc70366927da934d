"""Triggers: train on drift, once, when there is something to learn from; and say why or why not."""

from dataclasses import dataclass, replace

import pytest

from feedback_ingest.settings import Settings
from feedback_loop.learning.drift import Window, report
from feedback_loop.learning.triggers import decide

DRIFT = report(Window(100, 95), Window(100, 60))
HINT = report(Window(100, 95), Window(100, 87))
CALM = report(Window(100, 95), Window(100, 95))
MOVED = report(Window(100, 95, 300, {"x": [0.0] * 300}), Window(100, 95, 300, {"x": [9.0] * 300}))


OUTGROWN = replace(CALM, outgrown_rows=400)


@dataclass
class Knobs:
    """What the trigger reads of the settings."""

    retrain_min_labels: int = 150
    retrain_cooldown_s: int = 20
    incremental_learner: str | None = None


def test_drift_with_enough_new_labels_fires():
    """Drift, new labels and the cool-down over: the reason names the figures and the labels."""
    decision = decide(DRIFT, 150, 20.0, False, Knobs())

    assert decision.fires
    assert "accuracy 0.600 against 0.950" in decision.reason
    assert "150 new labels" in decision.reason


@pytest.mark.parametrize(
    ("seen", "labels", "since", "training", "why"),
    [
        (CALM, 500, None, False, "no drift"),
        (DRIFT, 149, None, False, "149 of 150 new labels"),
        (DRIFT, 500, 19.0, False, "too recent"),
        (DRIFT, 500, None, True, "in progress"),
    ],
)
def test_otherwise_it_waits_and_says_why(seen, labels, since, training, why):
    """No drift, too few new labels, too soon and a training under way each hold it back, with a reason."""
    decision = decide(seen, labels, since, training, Knobs())

    assert not decision.fires
    assert why in decision.reason


@pytest.mark.parametrize("seen", [HINT, MOVED])
def test_an_alert_needs_the_report_to_agree(seen):
    """A raised alert starts a training only where the report sees accuracy suffer or inputs moved, too."""
    assert not decide(CALM, 500, None, False, Knobs(), alerts=["accuracy_floor"]).fires
    assert not decide(seen, 500, None, False, Knobs()).fires
    fired = decide(seen, 500, None, False, Knobs(), alerts=["accuracy_floor"])

    assert fired.fires
    assert fired.reason.startswith("alert accuracy_floor stands raised")


def test_the_settings_are_its_knobs():
    """The project's settings fit as they are."""
    assert decide(DRIFT, 10_000, 10_000.0, False, Settings()).fires


def test_a_champion_of_the_world_before_is_trained_again_when_half_is_new():
    """Trained mostly before a drift it waits for as many new labels as it learnt from, though nothing else is wrong."""
    early = decide(OUTGROWN, 399, 60.0, False, Knobs())
    late = decide(OUTGROWN, 400, 60.0, False, Knobs())

    assert not early.fires
    assert late.fires
    assert "the 400 rows it learnt from had other inputs" in late.reason
