"""What every consensus method promises, whoever wrote it."""

from itertools import permutations

import pytest

from feedback_loop.learning.agreement import Judgement
from feedback_loop.learning.consensus_methods import Record, collect

AGREED = [Judgement("i1", "ann", "cat"), Judgement("i1", "bob", "cat"), Judgement("i1", "cyd", "dog")]
TIED = [Judgement("i2", "ann", "cat"), Judgement("i2", "bob", "dog")]


@pytest.mark.parametrize("name", collect())
def test_a_method_decides_or_says_why_not(name: str) -> None:
    """Two against one is decided, one against one stays open; both with a share, the agreement and a reason."""
    method = collect()[name]()
    found = method.decide(AGREED, {}) | method.decide(TIED, {})

    assert (found["i1"].answer, found["i2"].answer) == ("cat", None)
    assert found["i1"].agreement == pytest.approx(1 / 3) and found["i2"].agreement == 0
    assert all(0 <= each.share <= 1 and name in each.reason for each in found.values())


@pytest.mark.parametrize("name", collect())
def test_a_method_knows_no_order(name: str) -> None:
    """The same judgements in any order are adjudicated alike."""
    found = {str(collect()[name]().decide(order, {})) for order in permutations(AGREED)}

    assert len(found) == 1


@pytest.mark.parametrize("name", collect())
def test_a_method_can_ask_for_more(name: str) -> None:
    """What needs a larger share stays open; a single judgement has no agreement; nobody's judgements are no items."""
    method = collect()[name]()

    assert method.decide(AGREED, {}, more_than=1)["i1"].answer is None
    assert method.decide(AGREED[:1], {})["i1"].agreement is None
    assert method.decide([], {}) == {}


@pytest.mark.parametrize("name", collect())
def test_a_method_takes_anybody(name: str) -> None:
    """Reviewers who were always wrong where the answer is known do not break it, and it says what it is."""
    records = {"ann": Record(10_000, 0), "bob": Record(10_000, 0), "cyd": Record(10_000, 0)}

    assert collect()[name]().decide(AGREED, records).keys() == {"i1"}
    assert collect()[name].name == name and collect()[name].__doc__
