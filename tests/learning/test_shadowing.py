"""Shadows: promoted when surely better, let go when surely worse or never better, and seldom by chance."""

import random

from feedback_loop.learning.shadowing import FEWEST, MOST, TOLD, Pair, compare, evidence, judge, share

BETTER, WORSE, BOTH = Pair(True, False), Pair(False, True), Pair(True, True)


def test_a_shadow_is_judged_by_where_the_two_differ() -> None:
    """Thirty wins of forty differences promote; agreement, however much, does not; as many losses let it go."""
    assert judge(compare([])).outcome == "wait"
    assert judge(compare([BOTH] * (MOST - 1))).outcome == "wait"
    assert judge(compare([BETTER] * 30 + [WORSE] * 10 + [BOTH] * 60)).outcome == "promote"
    assert judge(compare([BETTER] * 12)).outcome == "wait", f"sure of too few: it takes {FEWEST}"
    assert judge(compare([BETTER] * 10 + [WORSE] * 30)).outcome == "end"
    assert judge(compare([BOTH] * MOST)).outcome == "end"
    assert "alone was right on 30, the champion alone on 10" in judge(compare([BETTER] * 30 + [WORSE] * 10)).reason


def test_looking_again_and_again_finds_no_difference_where_there_is_none() -> None:
    """A look after each of 400 differences, in 400 shadows as good as their champion: at most one in twenty is judged.

    The planted bug: a test for one look, repeated, judges many more.
    """
    chance = random.Random(7)
    judged = repeated = 0
    for _ in range(400):
        wins, was_sure, was_significant = 0, False, False
        for looks in range(1, 401):
            wins += chance.random() < 0.5
            was_sure |= evidence(wins, looks - wins) >= 20
            was_significant |= looks >= 20 and abs(2 * wins - looks) > 1.96 * looks**0.5
        judged += was_sure
        repeated += was_significant

    assert judged <= 20
    assert repeated > 80


def test_whatever_the_difference_it_can_be_told() -> None:
    """Where one alone was right on every answer there is no overflow; shares have intervals, and none of nothing."""
    assert judge(compare([BETTER] * MOST)).outcome == "promote"
    assert compare([BETTER] * MOST).evidence == TOLD > compare([BETTER] * 12).evidence > 1
    assert share(0, 0) == (0, None, None, None)
    right, part, low, high = share(30, 60)
    assert (right, part) == (30, 0.5) and low is not None and high is not None and low < 0.4 < 0.6 < high
