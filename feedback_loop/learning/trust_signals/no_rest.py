"""No rest: somebody who never sleeps is a program."""

from typing import ClassVar

from feedback_loop.learning.trust.profiles import Profile
from feedback_loop.learning.trust.standings import SUSPENDED
from feedback_loop.learning.trust_signals._base import Signal

LONGEST_PAUSE_H = 4
LEAST_H = 20


class NoRest(Signal):
    """At least twenty hours without a pause of more than four, by event time: regular readers and crawlers do that.

    It sees no program that rests, nor one that comes once: what those do is what people do.
    """

    name: ClassVar[str] = "no_rest"
    kind: ClassVar[str] = SUSPENDED

    def look(self, profile: Profile) -> tuple[float, str] | None:
        """The longest stretch."""
        longest, active, start, count = 0, 0, None, 0
        before = None
        for hour in profile.hours:
            if start is None or before is None or hour - before > LONGEST_PAUSE_H:
                start, count = hour, 0
            before, count = hour, count + 1
            if hour - start + 1 > longest:
                longest, active = hour - start + 1, count
        if longest < LEAST_H:
            return None
        return 0.0, f"active in {active} of {longest} hours, with no pause of more than {LONGEST_PAUSE_H}"
