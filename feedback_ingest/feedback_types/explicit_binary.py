"""A thumb: good or bad, with a reason when there is one."""

from typing import ClassVar

from msgspec import UNSET, UnsetType

from feedback_ingest.feedback_types._base import Comment, FeedbackValue, ReasonCodes, Text, Widget, known


class ExplicitBinary(FeedbackValue):
    """Thumb up (`positive` true) or down; reads as a reward of 1 or 0, and as a correction where one is given."""

    feedback_type = "explicit_binary"
    metric = "satisfaction"
    widget: ClassVar[Widget] = {"kind": "thumbs", "field": "positive"}
    examples = ({"positive": True}, {"positive": False, "reason_codes": ["outdated"], "comment": "It moved."})
    counter_examples = ({}, {"positive": 1}, {"positive": "true"})

    positive: bool
    reason_codes: ReasonCodes | UnsetType = UNSET
    comment: Comment | UnsetType = UNSET
    corrected_text: Text | UnsetType = UNSET

    def reward(self) -> float | None:
        return 1.0 if self.positive else 0.0

    def text(self) -> str | None:
        return known(self.corrected_text)
