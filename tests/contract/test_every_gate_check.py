"""What every gate check promises, whoever wrote it."""

import pytest

from feedback_loop.learning.gate_checks import Answered, Evidence, Limits, collect
from feedback_loop.learning.off_policy import Logged, judge

RIGHT = [Answered(f"r-{n}", '"a"', '"a"', '"a"', "end_user", ("tier=pro",)) for n in range(200)]
ALIKE = Evidence(500, RIGHT, 100, False, RIGHT, 3.0, judge([Logged(1.0, 0.5, 0.5)] * 200))


@pytest.mark.parametrize("name", collect())
def test_nothing_known_is_never_a_pass(name):
    """Without evidence a check fails or has nothing to say, and a sentence says why."""
    outcome, reason = collect()[name]().judge(Evidence(), Limits())

    assert outcome in ("failed", "skipped")
    assert reason
    assert collect()[name].__doc__


@pytest.mark.parametrize("name", collect())
def test_a_candidate_like_the_champion_passes(name):
    """Who answers as the champion does, within all limits, is refused by none."""
    outcome, reason = collect()[name]().judge(ALIKE, Limits())

    assert outcome == "passed"
    assert reason
