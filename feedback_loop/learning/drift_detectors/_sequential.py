"""A detector that reads answers one by one, right or wrong: it speaks of the concept where answers became worse."""

from collections.abc import Sequence
from typing import Any, Protocol

from feedback_loop.learning.drift_detectors._base import Finding, Window


class Sequential(Protocol):
    """What river's detectors of drift in a sequence have."""

    @property
    def drift_detected(self) -> bool:
        """Whether the last error told of a change."""

    def update(self, x: Any) -> Any:
        """Takes one error, 0 or 1."""


def found(detector: Sequential, name: str, reference: Window, recent: Window) -> Finding:
    """A hint where the detector fires among the recent answers, and these are wrong more often than those before."""
    place = _fired(detector, reference.outcomes, recent.outcomes)
    if place is None:
        return Finding("concept", False, False, f"{name} saw no change", is_concerned=False)
    errors = [1 - sum(side.outcomes) / len(side.outcomes) for side in (reference, recent)]
    if errors[1] <= errors[0]:
        return Finding("concept", False, False, f"{name} saw a change for the better", is_concerned=False)
    reason = f"{name} saw errors rise after {place} of {len(recent.outcomes)} recent answers"
    return Finding("concept", True, True, reason)


def _fired(detector: Sequential, before: Sequence[bool], now: Sequence[bool]) -> int | None:
    """After how many recent answers it fired first; None where it did not, or there is nothing to compare."""
    if not before or not now:
        return None
    for is_right in before:
        detector.update(int(not is_right))
    for place, is_right in enumerate(now, 1):
        detector.update(int(not is_right))
        if detector.drift_detected:
            return place
    return None
