"""Bias: the feedback speaks for some and not for others."""

from typing import ClassVar

from feedback_loop.learning.trigger_conditions._base import Met, Moment, TriggerCondition


class Bias(TriggerCondition):
    """Holds from so many findings of the bias report on."""

    name: ClassVar[str] = "bias"
    unit: ClassVar[str] = "findings, at least one"

    def judge(self, moment: Moment, at_least: float) -> Met:
        """By the newest facts about the model."""
        return Met(moment.biases >= max(at_least, 1), f"{moment.biases} findings of bias")
