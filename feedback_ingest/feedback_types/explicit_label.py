"""A label given by somebody who looked at the input."""

from typing import Any, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from feedback_ingest.errors import Fault
from feedback_ingest.feedback_types._base import FeedbackValue, Label, Labels, Widget, known


class ExplicitLabel(FeedbackValue):
    """What the input is, by someone's judgement: exactly one of `label` and `labels`; reads as a label."""

    feedback_type = "explicit_label"
    metric = "accuracy"
    widget: ClassVar[Widget] = {"kind": "choice", "field": "label", "options_from": "outputs"}
    examples = ({"label": "spam"}, {"label": 3}, {"labels": ["red", "round"]})
    counter_examples = ({}, {"label": ""}, {"label": "a", "labels": ["a"]})

    label_: Label | UnsetType = msgspec.field(default=UNSET, name="label")
    labels: Labels | UnsetType = UNSET

    def faults(self) -> tuple[Fault, ...]:
        return () if (self.label_ is UNSET) != (self.labels is UNSET) else (Fault("/label", "exactly-one-of"),)

    def label(self) -> str | int | bool | list[Any] | None:
        return known(self.label_) if self.labels is UNSET else self.labels
