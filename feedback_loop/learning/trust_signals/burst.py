"""Burst: more in an hour than anybody says who reads what it is about."""

from typing import ClassVar

from feedback_loop.learning.trust.profiles import Profile
from feedback_loop.learning.trust.standings import SUSPENDED
from feedback_loop.learning.trust_signals._base import Signal

MOST_AN_HOUR = 500
"""One every seven seconds for an hour on end."""


class Burst(Signal):
    """So many feedback events an hour, over the hours of a day in which there were any, that no person gives them."""

    name: ClassVar[str] = "burst"
    kind: ClassVar[str] = SUSPENDED

    def look(self, profile: Profile) -> tuple[float, str] | None:
        """The day with most of them."""
        rate, day = max(((each.events / each.active_hours, each) for each in profile.days), default=(0, None))
        if day is None or rate < MOST_AN_HOUR:
            return None
        return 0.0, f"{day.events} events in {day.active_hours} hours of {day.named}"
