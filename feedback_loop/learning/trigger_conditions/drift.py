"""Drift: the drift report found the world to have moved."""

from typing import ClassVar

from feedback_loop.learning.trigger_conditions._base import Met, Moment, TriggerCondition


class Drift(TriggerCondition):
    """Holds where the report finds drift, or so many of its detectors do."""

    name: ClassVar[str] = "drift"
    unit: ClassVar[str] = "detectors that must find drift; 0: the report's own verdict"

    def judge(self, moment: Moment, at_least: float) -> Met:
        """By the newest report."""
        found = [each.detector for each in moment.report.findings if each.is_drift]
        holds = len(found) >= at_least if at_least else moment.report.detected
        return Met(holds, f"{', '.join(found) or 'no detector'} found drift")
