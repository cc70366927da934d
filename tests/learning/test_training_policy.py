"""Which training answers which drift: increments for what is mild, a full one for what is not, and why."""

from dataclasses import replace

import pytest

from feedback_loop.learning.drift import Told, Window, report
from feedback_loop.learning.training_policy import choose

MILD = report(Window(100, 90), Window(100, 80))


def _concept(*names):
    return tuple(Told(name, "concept", True, "saw errors rise") for name in names)


@pytest.mark.parametrize(
    ("seen", "job", "why"),
    [
        (MILD, "incremental", "mild and recent"),
        (replace(MILD, outgrown_rows=400), "full", "stale"),
        (replace(MILD, inputs_came_or_went=("price",)), "full", "another schema: price"),
        (report(Window(100, 90), Window(100, 75)), "full", "abrupt: accuracy lost 0.15"),
        (replace(MILD, findings=_concept("adwin", "ddm")), "full", "abrupt: adwin and ddm agree"),
        (replace(MILD, findings=_concept("ddm")), "incremental", "mild and recent"),
        (replace(MILD, accuracy_recent=None), "incremental", "mild and recent"),
    ],
)
def test_the_training_fits_the_drift(seen, job, why):
    """One table says it all."""
    chosen = choose(seen)

    assert chosen.job == job
    assert why in chosen.reason
