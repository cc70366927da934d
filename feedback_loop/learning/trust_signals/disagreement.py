"""Disagreement: who is often found wrong weighs less, and who is wrong more often than not weighs nothing."""

from typing import ClassVar

from feedback_loop.learning.metrics._interval import interval
from feedback_loop.learning.trust.profiles import Profile
from feedback_loop.learning.trust.standings import WEIGHED
from feedback_loop.learning.trust_signals._base import Signal

LEAST_ASKED = 20
HALF, GOOD = 0.5, 0.8
"""Below the first share of agreement a label says nothing, from the second on it weighs in full."""


class Disagreement(Signal):
    """How a user's labels and thumbs agree with gold, with what reviewers agreed on, or else with other users.

    It goes by the upper end of the 95 % interval, so that nobody weighs less by chance.
    """

    name: ClassVar[str] = "disagreement"
    kind: ClassVar[str] = WEIGHED

    def look(self, profile: Profile) -> tuple[float, str] | None:
        """The weight rises from 0 to 1 between the two shares."""
        asked, right = profile.asked, profile.right
        if asked < LEAST_ASKED:
            return None
        _, most = interval(right, asked)
        if most >= GOOD:
            return None
        weight = round(max(most - HALF, 0.0) / (GOOD - HALF), 3)
        return weight, f"{right} of {asked} agree with what is known or what others say"
