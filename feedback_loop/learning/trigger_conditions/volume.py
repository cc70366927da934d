"""Volume: there is much that the last training did not see."""

from typing import ClassVar

from feedback_loop.learning.trigger_conditions._base import Met, Moment, TriggerCondition


class Volume(TriggerCondition):
    """Holds from so many new labels on."""

    name: ClassVar[str] = "volume"
    unit: ClassVar[str] = "new labels"

    def judge(self, moment: Moment, at_least: float) -> Met:
        """By the trainable labels since the newest dataset."""
        return Met(moment.new_labels >= at_least, f"{moment.new_labels} of {at_least:g} new labels")
