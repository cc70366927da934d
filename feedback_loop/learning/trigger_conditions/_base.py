"""What a trigger condition is: it looks at one model at one moment, and says whether it holds, and why or why not."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import ClassVar, NamedTuple

from feedback_loop.learning.collecting import collect_classes
from feedback_loop.learning.drift import DriftReport


class Moment(NamedTuple):
    """What is known of a model when its triggers are asked."""

    report: DriftReport
    new_labels: int
    """Trainable labels since the newest dataset."""
    since_training_s: float | None = None
    """Seconds since the last training or promotion; None before the first."""
    biases: int = 0
    """Findings of the newest bias report."""
    asked_by: str | None = None
    """Who asked for a training by hand since the last one."""


class Met(NamedTuple):
    """Whether a condition holds, and a sentence that says why or why not."""

    holds: bool
    reason: str


class TriggerCondition(ABC):
    """One kind of cause; `at_least` is its only knob, and each says what it means."""

    name: ClassVar[str]
    unit: ClassVar[str]
    """What `at_least` counts."""

    @abstractmethod
    def judge(self, moment: Moment, at_least: float) -> Met:
        """Whether it holds now."""


@cache
def collect() -> Mapping[str, type[TriggerCondition]]:
    """Every condition by name: one file each in this folder, and those of installed packages."""
    return collect_classes("feedback_loop.learning.trigger_conditions", TriggerCondition)  # type: ignore[type-abstract]
