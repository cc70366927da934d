"""A correction: what the answer should have been, as text, a label, labels or a whole output."""

from typing import Any, ClassVar

from msgspec import UNSET, UnsetType

from feedback_ingest.errors import Fault
from feedback_ingest.feedback_types._base import FeedbackValue, Label, Labels, ReasonCodes, Text, Widget, known, one_of


class ExplicitCorrection(FeedbackValue):
    """What the answer should have been. Exactly one of the `corrected_…` fields; reads as a label (demonstration)."""

    feedback_type = "explicit_correction"
    metric = "correction_rate"
    widget: ClassVar[Widget] = {"kind": "text_edit", "field": "corrected_text", "start_from": "output"}
    examples = ({"corrected_text": "It opens at 9."}, {"corrected_label": 7}, {"corrected_labels": ["a", "b"]})
    counter_examples = ({}, {"corrected_text": " "}, {"corrected_text": "a", "corrected_label": "b"})

    corrected_text: Text | UnsetType = UNSET
    corrected_label: Label | UnsetType = UNSET
    corrected_labels: Labels | UnsetType = UNSET
    corrected_output: dict[str, Any] | list[Any] | UnsetType = UNSET
    reason_codes: ReasonCodes | UnsetType = UNSET

    def faults(self) -> tuple[Fault, ...]:
        return one_of(self, "corrected_text", "corrected_label", "corrected_labels", "corrected_output")

    def label(self) -> str | int | bool | list[Any] | None:
        return known(self.corrected_label) if self.corrected_labels is UNSET else self.corrected_labels

    def text(self) -> str | None:
        return known(self.corrected_text)
