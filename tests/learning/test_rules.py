"""Rules: an alert needs enough samples, does not flutter, and is over only when the value has truly recovered."""

from datetime import timedelta
from decimal import Decimal

import pytest

from feedback_loop.learning.rules import Point, Rule, decide
from tests.learning.worlds import NOON

RULE = Rule("accuracy_floor", "accuracy", floor=0.8, window_s=30, min_samples=40, cooldown_s=15, margin=0.02)


def _points(right, of=50, seconds_ago=5):
    return [Point(NOON - timedelta(seconds=seconds_ago), Decimal(right), Decimal(of))]


def test_a_value_below_the_floor_fires():
    """Enough samples below the floor raise the alert, and the reason says the figures."""
    decision = decide(RULE, _points(39), NOON, None)

    assert (decision.fires, decision.recovers, decision.value, decision.samples) == (True, False, Decimal("0.78"), 50)
    assert decision.reason == "accuracy 0.780 over 50 samples in 30 s, below 0.8"


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([], "0 of 40 samples"),
        (_points(0, of=39), "39 of 40 samples"),
        (_points(0, seconds_ago=31), "0 of 40 samples"),
        (_points(0, seconds_ago=-1), "0 of 40 samples"),
        (_points(40), "accuracy 0.800 over 50 samples in 30 s, not below 0.8"),
    ],
)
def test_otherwise_it_is_quiet_and_says_why(points, why):
    """Too few samples, buckets out of the window and a value on the floor raise nothing."""
    decision = decide(RULE, points, NOON, None)

    assert (decision.fires, decision.recovers, decision.reason) == (False, False, why)


def test_it_cools_down_in_event_time():
    """Two alerts of one rule stand at least the cool-down apart."""
    early, late = NOON - timedelta(seconds=14), NOON - timedelta(seconds=15)

    assert not decide(RULE, _points(10), NOON, early).fires
    assert decide(RULE, _points(10), NOON, late).fires


def test_it_recovers_only_above_the_margin():
    """A raised alert neither fires again nor ends on the floor itself: the value must climb above it."""
    for right, recovers in ((39, False), (40, False), (41, True)):
        decision = decide(RULE, _points(right), NOON, NOON - timedelta(minutes=5), is_raised=True)
        assert (decision.fires, decision.recovers) == (False, recovers)


def test_buckets_add_up():
    """The window is one ratio of sums, not a mean of ratios."""
    points = [*_points(10, of=10), *_points(0, of=30, seconds_ago=15)]

    assert decide(RULE, points, NOON, None).value == Decimal("0.25")
