"""Rollbacks: asked for only by enough people or by the ground truth, and refused for a reason that is said."""

from datetime import timedelta
from decimal import Decimal

import pytest

from feedback_loop.learning.ratios import Ratio
from feedback_loop.learning.rollbacks import Gold, Situation, may_ask, refusal
from feedback_loop.learning.rules import Decision, Rule, Voices
from tests.learning.worlds import NOON

RULE = Rule(rule_id="mood", metric="accuracy", comparison="below", threshold=0.8, window_s=60, min_samples=30)
NOW = timedelta(seconds=1)


def _asked(right=50, of=100, users=20, votes=None, serves=True, age=NOW, rule=RULE):
    found = Decision(NOON, "stands", "low", Ratio(Decimal(right), Decimal(of)))
    return may_ask(rule, found, serves, age, lambda: Voices(users, votes))


def test_enough_people_may_ask():
    """A value that is surely low, said by twenty people of the one that serves."""
    assert _asked().asks


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"serves": False}, "this version does not serve"),
        ({"age": timedelta(hours=1)}, "the window ended 3600 s ago"),
        ({"right": 75}, "the interval reaches the limit"),
        ({"users": 19}, "19 of 20 people known before"),
        ({"users": 1, "votes": Ratio(Decimal(20), Decimal(70))}, "1 of 20 people known before"),
        ({"users": 1, "votes": Ratio(Decimal(0), Decimal(40))}, "1 of 20 people known before"),
    ],
)
def test_otherwise_it_waits_and_says_why(change, why):
    """Another version, an old window, a doubt, or few people; without their votes little or nothing is wrong."""
    assert _asked(**change)[:2] == (False, why)


def test_the_ground_truth_may_ask_alone():
    """Sixty labels that are no votes are enough, whoever votes beside them."""
    assert _asked(users=1, votes=Ratio(Decimal(30), Decimal(40))) == (True, "", "truth")
    assert _asked(users=25) == (True, "", "people")


def test_a_rule_may_want_more_people():
    """Its own minimum counts where it is the larger one."""
    assert not _asked(rule=Rule(**RULE.as_data() | {"min_users": 30}), users=29).asks


FINE = Situation("m2", "m2", "m1", True, False, None, timedelta(0))


def gold(serving, target):
    """Both on the same hundred golden rows."""
    return Gold(*(Ratio(Decimal(right), Decimal(100)) for right in (serving, target)))


def test_gold_speaks_only_where_it_is_sure_and_only_against_votes():
    """A few rows less are chance; the ground truth needs no consent; versions that were never compared have no gold."""
    assert refusal(FINE._replace(rests_on="people", gold=gold(90, 86)), 300, is_by_hand=False) is None
    assert refusal(FINE._replace(rests_on="people", gold=gold(60, 90)), 300, is_by_hand=False) is None
    assert refusal(FINE._replace(rests_on="truth", gold=gold(90, 60)), 300, is_by_hand=False) is None
    assert refusal(FINE._replace(rests_on="people"), 300, is_by_hand=False) is None


def test_what_speaks_against_nothing_is_carried_out():
    """The version before is known, nobody holds, the last rollback is long ago."""
    assert refusal(FINE, 300, is_by_hand=False) is None
    assert refusal(FINE._replace(since_rollback=timedelta(seconds=300)), 300, is_by_hand=False) is None


@pytest.mark.parametrize(
    ("situation", "code", "also_by_hand"),
    [
        (FINE._replace(serving=None), "not_serving", True),
        (FINE._replace(serving="m3"), "not_serving", True),
        (FINE._replace(target=None), "no_previous_version", True),
        (FINE._replace(is_known=False), "no_previous_version", True),
        (FINE._replace(is_held=True), "held", False),
        (FINE._replace(since_rollback=timedelta(seconds=299)), "cooling_down", False),
        (FINE._replace(waited=timedelta(hours=1)), "too_late", False),
        (FINE._replace(rests_on="people", gold=gold(90, 60)), "worse_on_gold", False),
    ],
)
def test_a_refusal_has_its_code(situation, code, also_by_hand):
    """A person overrides what only protects from machines, and cannot go where nothing is."""
    refused, by_hand = (refusal(situation, 300, is_by_hand=hand) for hand in (False, True))

    assert refused is not None and refused[0] == code and refused[1]
    assert (by_hand is not None) == also_by_hand
