"""What every drift detector promises, whoever wrote it."""

import pytest

from feedback_loop.learning.drift_detectors import Thresholds, Window, collect

LIFE = Window(200, 180, 300, {"x": [float(n % 7) for n in range(300)]})


@pytest.mark.parametrize("name", collect())
@pytest.mark.parametrize(
    ("reference", "recent"), [(LIFE, LIFE), (Window(), LIFE), (LIFE, Window()), (Window(), Window())]
)
def test_equal_or_empty_windows_are_no_drift(name, reference, recent):
    """Where nothing changed, or nothing is known, no drift is found, and a sentence says so."""
    finding = collect()[name]().detect(reference, recent, Thresholds())

    assert (finding.is_drift, finding.is_hint) == (False, False)
    assert finding.reason


@pytest.mark.parametrize("name", collect())
def test_drift_is_a_hint_too(name):
    """Where answers and inputs changed altogether, a detector that finds drift says that it is at least a hint."""
    upset = Window(200, 20, 300, {"x": [float(n % 7) + 100 for n in range(300)]})

    finding = collect()[name]().detect(LIFE, upset, Thresholds())

    assert finding.is_hint or not finding.is_drift
    assert collect()[name].__doc__
