"""Bradley-Terry: the strengths, their order and their intervals, against known truths and an independent fit."""

from itertools import combinations
from math import exp

import numpy as np
import pytest

from feedback_loop.learning.bradley_terry import Record, ranking

TRUTH = {"a": 1.2, "b": 0.3, "c": -0.2, "d": -1.3}


def wins(one, other):
    """The chance that one wins."""
    return 1 / (1 + exp(TRUTH[other] - TRUTH[one]))


def test_known_strengths_are_found():
    """From as many wins as the strengths promise, the strengths; 0 is their mean."""
    told = [Record(one, other, 10_000 * wins(one, other), 10_000) for one, other in combinations(TRUTH, 2)]

    found = ranking(told)

    assert [each.version for each in found] == list(TRUTH)
    assert [each.strength for each in found] == pytest.approx(list(TRUTH.values()), abs=1e-3)
    assert {each.group for each in found} == {1}


def test_it_does_not_matter_who_tells_and_when():
    """A record told from the other side, or from both, in any order, is the same record."""
    told = [Record("a", "b", 7.5, 10), Record("b", "c", 3, 8), Record("a", "c", 4, 5)]
    other_side = [Record(each.against, each.version, each.comparisons - each.wins, each.comparisons) for each in told]

    assert ranking(other_side[::-1]) == ranking(told)
    assert ranking([*told, *other_side]) == ranking(told)


def test_ties_make_two_equal():
    """Half a win for each side: whoever only tied is as strong as the other."""
    one, other = ranking([Record("a", "b", 5, 10)])

    assert one.strength == pytest.approx(other.strength, abs=1e-9)
    assert one.low < 0 < one.high


def test_whoever_never_won_is_last_and_finite():
    """Few comparisons without a win are weak evidence, and the interval says so."""
    strong, weak = ranking([Record("a", "b", 5, 5)])

    assert (strong.version, weak.version) == ("a", "b")
    assert np.isfinite([weak.strength, weak.low, weak.high]).all()
    assert weak.low < strong.high


def test_there_is_no_order_between_groups_that_never_met():
    """Each group has its own zero; the largest is told first."""
    found = ranking([Record("x", "y", 9, 10), Record("a", "b", 2, 10), Record("b", "c", 9, 10)])

    assert [(each.version, each.group) for each in found] == [("b", 1), ("a", 1), ("c", 1), ("x", 2), ("y", 2)]
    for group in (1, 2):
        assert sum(each.strength for each in found if each.group == group) == pytest.approx(0, abs=1e-9)


def test_nobody_compared_is_nobody_ranked():
    """Without comparisons, and with oneself only, there is no ranking."""
    assert ranking([]) == ranking([Record("a", "a", 1, 2)]) == []


def test_intervals_hold_what_they_promise():
    """Of 400 worlds of chance the interval of 95 % holds the truth in about as many."""
    chance = np.random.default_rng(5)
    pairs = list(combinations(TRUTH, 2))
    held = []
    for _ in range(400):
        told = [Record(one, other, chance.binomial(60, wins(one, other)), 60) for one, other in pairs]
        held += [each.low <= TRUTH[each.version] <= each.high for each in ranking(told)]

    assert 0.93 <= np.mean(held) <= 0.97
