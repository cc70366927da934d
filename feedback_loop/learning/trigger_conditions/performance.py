"""Performance: the model is right less often than it should be."""

from typing import ClassVar

from feedback_loop.learning.drift_detectors import Thresholds
from feedback_loop.learning.trigger_conditions._base import Met, Moment, TriggerCondition

FEWEST = Thresholds().min_labels


class Performance(TriggerCondition):
    """Holds below an accuracy, of FEWEST labelled answers or more: of a handful it may be anything."""

    name: ClassVar[str] = "performance"
    unit: ClassVar[str] = "the accuracy that is good enough, 0 to 1"

    def judge(self, moment: Moment, at_least: float) -> Met:
        """By the labelled answers of the report's recent window."""
        accuracy = moment.report.accuracy_recent
        if accuracy is None:
            return Met(False, "no accuracy is known")
        if moment.report.samples < FEWEST:
            return Met(False, f"{moment.report.samples} of {FEWEST} labels to judge by")
        return Met(accuracy < at_least, f"accuracy {accuracy:.3f}, {at_least:g} is good enough")
