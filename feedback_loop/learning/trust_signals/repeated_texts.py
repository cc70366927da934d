"""Repeated texts: one remark, a little changed, again and again."""

from typing import ClassVar

from feedback_loop.learning.trust.profiles import Profile
from feedback_loop.learning.trust.standings import HELD
from feedback_loop.learning.trust_signals._base import Signal

LEAST_TEXTS = 10
MOST_REPEATED = 0.8


class RepeatedTexts(Signal):
    """Most of a user's remarks nearly equal earlier ones, theirs or others'; short ones are not looked at."""

    name: ClassVar[str] = "repeated_texts"
    kind: ClassVar[str] = HELD

    def look(self, profile: Profile) -> tuple[float, str] | None:
        """Over all days."""
        texts, repeats = sum(day.texts for day in profile.days), sum(day.repeats for day in profile.days)
        if texts < LEAST_TEXTS or repeats < MOST_REPEATED * texts:
            return None
        return 0.0, f"{repeats} of {texts} remarks nearly equal earlier ones"
