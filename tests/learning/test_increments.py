"""Increments: named after what they refine, served by what they would have answered, withheld by the gate's checks."""

import pytest

from feedback_loop.learning.gate_checks import Answered, Finding
from feedback_loop.learning.increments import decide, increment_name, is_increment, root_of, rooted
from feedback_loop.learning.rows import inference_row
from tests.learning.worlds import answered, at, found, inference_table


def _said(ours, theirs, count=200):
    return [Answered(f"r-{n}", '"a"', _of(n, ours, count), _of(n, theirs, count)) for n in range(count)]


def _of(place, share, count):
    return '"a"' if place < share * count else '"b"'


def test_an_increment_is_named_after_the_version_that_went_through_the_gate():
    """Also the increment of an increment; a version that only looks like one is none."""
    first = increment_name("digits-0002", 17)

    assert first == "digits-0002.increment-17"
    assert increment_name(first, 40) == "digits-0002.increment-40"
    assert [root_of(name) for name in (first, "digits-0002", "x.increment-")] == [
        "digits-0002",
        "digits-0002",
        "x.increment-",
    ]
    assert (is_increment(first), is_increment("digits-0002"), is_increment(".increment-1")) == (True, False, False)


def test_the_expression_says_the_same():
    """A champion's life goes on in its increments, in the tables too."""
    names = ["m-1", "m-1.increment-17", "m.increment-x", "a.increment-1.increment-22"]
    rows = [inference_row(at(answered(0, f"r{n}", model_version=name), n)) for n, name in enumerate(names, 1)]

    told = [row["model_version"] for row in found(rooted(inference_table(rows)).order_by("log_offset"))]

    assert told == [root_of(name) for name in names]


@pytest.mark.parametrize(
    ("ours", "theirs", "count", "is_own", "serves"),
    [
        (0.8, 0.7, 200, False, True),
        (0.8, 0.8, 200, False, True),
        (0.79, 0.8, 200, False, False),
        (1.0, 0.0, 49, False, False),
        (0.0, 1.0, 49, True, True),
        (0.78, 0.8, 200, True, True),
        (0.7, 0.8, 200, True, False),
    ],
)
def test_it_serves_by_what_it_would_have_answered(ours, theirs, count, is_own, serves):
    """Against another's champion it must be as good, over enough answers; after its own it must not fall behind."""
    decision = decide(_said(ours, theirs, count), is_own)

    assert decision.serves == serves
    assert decision.reason


def test_a_failed_check_withholds_it():
    """However good it looks: a flood of inverted labels looks good to who learnt it."""
    flood = Finding("label_flood", "failed", "a flood of inverted labels")

    decision = decide(_said(1.0, 0.1), True, [flood])

    assert not decision.serves
    assert "label_flood: a flood" in decision.reason
