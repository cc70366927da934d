"""The verdict of the human-in-the-loop gateway; no client writes it."""

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from feedback_ingest.errors import Fault
from feedback_ingest.feedback_types._base import FeedbackValue, Label, Labels, OutputId, Slug, Text, Widget, known


class ReviewLabel(FeedbackValue):
    """An adjudicated label or correction, with the task, who took part, how far they agreed and by which method."""

    feedback_type = "review_label"
    metric = "accuracy"
    widget: ClassVar[Widget] = {"kind": "none"}
    examples = (
        {"label": 3, "task_id": "t-1", "annotators": ["p_a", "p_b"], "agreement": 1.0, "method": "majority"},
        {"corrected_text": "At 9.", "task_id": "t-2", "annotators": ["p_a"], "method": "expert", "golden": True},
    )
    counter_examples = ({}, {"label": 3, "task_id": "t-1", "annotators": [], "method": "majority"})

    task_id: OutputId
    annotators: Annotated[list[OutputId], Meta(min_length=1, max_length=100)]
    method: Slug
    agreement: Annotated[float, Meta(ge=-1, le=1)] | UnsetType = UNSET
    golden: bool = False
    label_: Label | UnsetType = msgspec.field(default=UNSET, name="label")
    labels: Labels | UnsetType = UNSET
    corrected_text: Text | UnsetType = UNSET

    def faults(self) -> tuple[Fault, ...]:
        present = [x for x in (self.label_, self.labels, self.corrected_text) if x is not UNSET]
        return () if len(present) == 1 else (Fault("/label", "exactly-one-of"),)

    def label(self) -> str | int | bool | list[Any] | None:
        return known(self.label_) if self.labels is UNSET else self.labels

    def text(self) -> str | None:
        return known(self.corrected_text)
