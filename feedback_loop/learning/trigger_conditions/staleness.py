"""Staleness: the last training is long ago."""

from typing import ClassVar

from feedback_loop.learning.trigger_conditions._base import Met, Moment, TriggerCondition


class Staleness(TriggerCondition):
    """Holds after so many seconds; a model that was never trained here is no stale one."""

    name: ClassVar[str] = "staleness"
    unit: ClassVar[str] = "seconds since the last training"

    def judge(self, moment: Moment, at_least: float) -> Met:
        """By the newest training or promotion."""
        if moment.since_training_s is None:
            return Met(False, "never trained here")
        return Met(moment.since_training_s >= at_least, f"trained {moment.since_training_s:.0f} of {at_least:g} s ago")
