"""What turned out to be true, learnt later."""

from typing import Any, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from feedback_ingest.errors import Fault
from feedback_ingest.feedback_types._base import FeedbackValue, Label, Number, Widget, known


class GroundTruth(FeedbackValue):
    """The outcome: exactly one of `label`, `value` (a number) and `output`; reads as a label."""

    feedback_type = "ground_truth"
    metric = "accuracy"
    widget: ClassVar[Widget] = {"kind": "none"}
    examples = ({"label": "UP"}, {"label": 4}, {"value": 12.5}, {"output": {"total": 3}})
    counter_examples = ({}, {"label": "a", "value": 1}, {"label": None})

    label_: Label | UnsetType = msgspec.field(default=UNSET, name="label")
    value: Number | UnsetType = UNSET
    output: dict[str, Any] | list[Any] | str | UnsetType = UNSET

    def faults(self) -> tuple[Fault, ...]:
        present = [x for x in (self.label_, self.value, self.output) if x is not UNSET]
        return () if len(present) == 1 else (Fault("/label", "exactly-one-of"),)

    def label(self) -> str | int | bool | list[Any] | None:
        return known(self.label_)

    def number(self) -> float | None:
        return known(self.value)

    def text(self) -> str | None:
        return self.output if isinstance(self.output, str) else None
