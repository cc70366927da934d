"""Rules: an alert needs enough samples, does not flutter, and is over only when the value has truly recovered."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from feedback_loop.learning.ratios import Point, Ratio, ratio
from feedback_loop.learning.rules import (
    Known,
    Rule,
    Standing,
    Voices,
    decide,
    default_rules,
    is_sure,
)
from feedback_loop.learning.watching import Evidence, look
from tests.learning.worlds import NOON

RULE = Rule(
    rule_id="floor", metric="accuracy", comparison="below", threshold=0.8,
    window_s=30, min_samples=40, cooldown_s=15, margin=0.02,
)  # fmt: skip
QUIET = Standing()
KNOWN = Known(*map(frozenset, (["accuracy", "click_through", "volume"], ["accuracy", "click_through"], ["accuracy"])))


def _points(right, of=50, seconds_ago=5):
    return [Point(NOON - timedelta(seconds=seconds_ago), Decimal(right), Decimal(of))]


def _decide(points, standing=QUIET, rule=RULE, base=None):
    return decide(rule, ratio(points, NOON - timedelta(seconds=rule.window_s), NOON), NOON, standing, base)


def test_a_value_below_the_floor_fires():
    """Enough samples below the floor raise the alert, and the reason says the figures."""
    decision = _decide(_points(39))

    assert (decision.fires, decision.recovers, decision.value, decision.samples) == (True, False, Decimal("0.78"), 50)
    assert decision.reason == "accuracy 0.780 over 50 samples in 30 s, below 0.8"


@pytest.mark.parametrize(
    ("points", "verdict", "why"),
    [
        ([], "too_few_samples", "0 of 40 samples"),
        (_points(0, of=39), "too_few_samples", "39 of 40 samples"),
        (_points(0, seconds_ago=31), "too_few_samples", "0 of 40 samples"),
        (_points(0, seconds_ago=-1), "too_few_samples", "0 of 40 samples"),
        (_points(40), "quiet", "accuracy 0.800 over 50 samples in 30 s, not below 0.8"),
    ],
)
def test_otherwise_it_is_quiet_and_says_why(points, verdict, why):
    """Too few samples, buckets out of the window and a value on the floor raise nothing."""
    decision = _decide(points)

    assert (decision.fires, decision.recovers, decision.verdict, decision.reason) == (False, False, verdict, why)


def test_it_cools_down_in_event_time():
    """Two alerts of one rule stand at least the cool-down apart."""
    early, late = NOON - timedelta(seconds=14), NOON - timedelta(seconds=15)

    assert _decide(_points(10), Standing(last_fired=early)).verdict == "cooling_down"
    assert _decide(_points(10), Standing(last_fired=late)).fires


def test_it_recovers_only_above_the_margin():
    """A raised alert neither fires again nor ends on the floor itself: the value must climb above it."""
    raised = Standing(True, NOON - timedelta(minutes=5))
    for right, recovers in ((39, False), (40, False), (41, True)):
        decision = _decide(_points(right), raised)
        assert (decision.fires, decision.recovers) == (False, recovers)


def test_buckets_add_up():
    """The window is one ratio of sums, not a mean of ratios."""
    points = [*_points(10, of=10), *_points(0, of=30, seconds_ago=15)]

    assert _decide(points).value == Decimal("0.25")


def _changed(**fields):
    return msgspec.convert({**RULE.as_data(), **fields}, Rule)


def test_the_other_side_is_watched_alike():
    """`above` fires over the threshold and is over only below it by the margin."""
    rule = _changed(comparison="above", threshold=0.5)

    assert _decide(_points(26), rule=rule).fires
    assert not _decide(_points(25), rule=rule).fires
    assert not _decide(_points(25), Standing(True), rule).recovers
    assert _decide(_points(24), Standing(True), rule).recovers


def test_with_alpha_it_waits_for_evidence():
    """A low value fires only once the sequential test has passed 1/alpha, and says how far it is."""
    rule = _changed(alpha=0.05)

    waiting = _decide(_points(10), Standing(evidence=19.9), rule)

    assert waiting.verdict == "not_certain"
    assert waiting.reason.endswith("below 0.8, but evidence 19.9 of 20")
    assert _decide(_points(10), Standing(evidence=20.1), rule).fires


def test_a_drop_is_measured_from_the_baseline():
    """Five points of 50 below what it was fire a rule for a drop of more than four, and no rule for a larger one."""
    base = Ratio(Decimal(90), Decimal(100))
    small, large = (
        _changed(comparison="drop", threshold=size, baseline="past", baseline_period_s=60) for size in (0.09, 0.11)
    )

    fired = _decide(_points(40), rule=small, base=base)

    assert (fired.fires, fired.baseline) == (True, Decimal("0.9"))
    assert fired.reason == "accuracy 0.800 over 50 samples in 30 s, below 0.810 (past)"
    assert _decide(_points(40), rule=large, base=base).verdict == "quiet"
    assert _decide(_points(40), rule=small, base=Ratio()).verdict == "no_baseline"


def test_it_is_sure_only_where_the_whole_interval_is_beyond():
    """45 of 60 may be chance below .8; 60 of 100 is not. Of a drop both ends' doubts count."""

    def sure(rule, right, of, base=None):
        return is_sure(rule, Ratio(Decimal(right), Decimal(of)), base)

    drop = _changed(comparison="drop", threshold=0.1, baseline="past", baseline_period_s=60)
    assert not sure(RULE, 45, 60)
    assert sure(RULE, 60, 100)
    assert not sure(drop, 70, 100, Ratio(Decimal(80), Decimal(100)))
    assert not sure(drop, 70, 100, Ratio(Decimal(90), Decimal(100)))
    assert sure(drop, 600, 1000, Ratio(Decimal(800), Decimal(1000)))


class Moved:
    def __init__(self, point):
        self.newest, self.numerator, self.denominator = NOON, point.numerator, point.denominator


def _look(rule, points, voices, others=()):
    moved = {point.bucket_start: Moved(point) for point in points}
    return list(look(rule, Evidence(points, others, lambda start, end: voices), moved, QUIET))


def test_a_few_people_are_not_enough():
    """With a minimum of people it fires by as many, or by what is no vote alone; else it says how many there were."""
    rule = _changed(min_users=20)
    votes = Ratio(Decimal(0), Decimal(45))

    [few] = _look(rule, _points(20, of=100), Voices(19, Ratio(Decimal(15), Decimal(80))))
    [enough] = _look(rule, _points(20, of=100), Voices(20, votes))
    [witnessed] = _look(rule, _points(20, of=100), Voices(1, votes))
    [flipped] = _look(rule, _points(50, of=100), Voices(1, votes))

    assert (few.verdict, few.users) == ("too_few_users", 19)
    assert few.reason.endswith("below 0.8, but by 19 of 20 people known before")
    assert enough.fires and enough.reason.endswith("by 20 people")
    assert witnessed.fires  # 20 of the 55 that are no votes
    assert flipped.verdict == "too_few_users"  # 50 of 55 without them


def test_the_past_and_another_version_are_baselines():
    """The time before the window, or the other version's own newest period."""
    past = _changed(comparison="drop", threshold=0.1, baseline="past", baseline_period_s=60)
    other = _changed(comparison="drop", threshold=0.1, baseline="previous", baseline_period_s=60)
    before, long_ago = _points(95, of=100, seconds_ago=60), _points(48, seconds_ago=9_000)

    [by_past] = _look(past, [*before, *_points(30)], Voices(0))
    [by_other] = _look(other, _points(30), Voices(0), long_ago)

    assert (by_past.fires, by_past.baseline) == (True, Decimal("0.95"))
    assert (by_other.fires, by_other.baseline) == (True, Decimal("0.96"))


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"metric": "weather"}, ("/metric", "not-registered")),
        ({"threshold": 1.2}, ("/threshold", "out-of-range")),
        ({"comparison": "drop"}, ("/baseline", "required")),
        ({"baseline": "past"}, ("/baseline", "only-with-drop-or-rise")),
        ({"metric": "volume", "alpha": 0.05}, ("/alpha", "only-for-shares")),
        ({"metric": "click_through", "alpha": 0.05}, ("/alpha", "only-for-shares")),
        ({"threshold": 1, "alpha": 0.05}, ("/threshold", "out-of-range")),
        ({"metric": "volume", "actions": ["rollback_request"]}, ("/actions", "only-for-shares")),
        ({"actions": ["alert", "alert"]}, ("/actions", "must-differ")),
        (
            {"comparison": "drop", "baseline": "past", "baseline_period_s": 9, "alpha": 0.1},
            ("/alpha", "only-with-below-or-above"),
        ),
    ],
)
def test_what_does_not_fit_together_is_named(fields, fault):
    """Each fault has its field and a code that says the remedy."""
    found = _changed(**fields).faults(KNOWN)

    assert fault in [(one.pointer, one.code) for one in found]


def test_a_definition_is_read_back_as_it_was():
    """As data and back a rule is the same, and the default rule is a rule like any other."""
    [default] = default_rules(
        {"accuracy_floor": 0.8, "rule_window_s": 30, "rule_min_samples": 40, "rule_cooldown_s": 15}
    )

    assert msgspec.convert(RULE.as_data(), Rule) == RULE
    assert msgspec.convert(default.as_data(), Rule) == default
    assert default.faults(KNOWN) == []
