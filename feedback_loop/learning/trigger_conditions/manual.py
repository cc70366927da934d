"""Manual: somebody asked for a training."""

from typing import ClassVar

from feedback_loop.learning.trigger_conditions._base import Met, Moment, TriggerCondition


class Manual(TriggerCondition):
    """Holds once after each request."""

    name: ClassVar[str] = "manual"
    unit: ClassVar[str] = "nothing"

    def judge(self, moment: Moment, at_least: float) -> Met:
        """By the requests since the last training."""
        asked = moment.asked_by
        return Met(asked is not None, f"asked for by {asked}" if asked else "nobody asked")
