"""What every trigger condition promises, whoever wrote it."""

import pytest

from feedback_loop.learning.drift import Window, report
from feedback_loop.learning.trigger_conditions import Moment, collect

CALM = Moment(report(Window(200, 190), Window(200, 190)), 0)


@pytest.mark.parametrize("name", collect())
def test_it_says_why_and_why_not(name):
    """A sentence in each case, where nothing happened and where everything did."""
    upset = Moment(report(Window(200, 190), Window(200, 20)), 10_000, 1e8, 9, "somebody")
    condition = collect()[name]()

    calm, met = condition.judge(CALM, 0.5), condition.judge(upset, 0.5)

    assert (calm.holds, met.holds) == (False, True)
    assert calm.reason and met.reason
    assert condition.unit and collect()[name].__doc__
