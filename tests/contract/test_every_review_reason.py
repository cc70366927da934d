"""What every review reason promises, whoever wrote it."""

from typing import Any

import pytest

from feedback_loop.learning.review_reasons import Item, collect

ANSWER = {"inference_request_id": "i", "confidence": None, "segments": None}
FLAG = {"feedback_type": "safety_flag", "feedback_value": '{"category":"abuse","severity":3}'}
KNOWN: dict[str, Any] = {"confidence": 0.4, "margin": 0.05, "novelty": 0.95}


@pytest.mark.parametrize("name", collect())
def test_a_reason_is_silent_where_nothing_is_known(name: str) -> None:
    """Without a figure there is no reason, unless it needs none."""
    reason = collect()[name]()

    assert (reason.why(Item(ANSWER, {}), None) is None) == (reason.threshold is not None)


@pytest.mark.parametrize("name", collect())
def test_a_reason_says_itself_and_its_figures(name: str) -> None:
    """What is doubtful by every measure is so by this one; the words name the reason, the figure and the limit."""
    reason = collect()[name]()
    told = reason.why(Item(ANSWER, KNOWN, FLAG, [(1, 1)]), None)

    assert told is not None and name in told
    assert reason.threshold is None or (reason.side in told and f"{reason.threshold:g}" in told)


@pytest.mark.parametrize("name", [name for name, reason in collect().items() if reason.threshold is not None])
def test_a_threshold_decides(name: str) -> None:
    """The same item is passed over where the policy's own threshold lies beyond it; its limits are where it may lie."""
    reason = collect()[name]()
    low, high = reason.span
    strict = low if reason.side == "below" else high + 1

    assert reason.why(Item(ANSWER, KNOWN, FLAG, [(1, 1)]), strict) is None
    assert reason.threshold is not None and low <= reason.threshold <= high


@pytest.mark.parametrize("name", collect())
def test_a_reason_says_what_it_is(name: str) -> None:
    """It is found by its name, and its docstring is its page."""
    assert collect()[name].name == name and collect()[name].__doc__
