"""A report that an answer is harmful."""

from typing import Annotated, ClassVar

from msgspec import Meta

from feedback_ingest.feedback_types._base import FeedbackValue, Slug, Widget


class SafetyFlag(FeedbackValue):
    """What kind of harm (`category`) and how bad (`severity` 1 to 4); a person always looks at it."""

    feedback_type = "safety_flag"
    metric = "volume"
    widget: ClassVar[Widget] = {"kind": "report", "field": "category"}
    examples = ({"category": "self_harm", "severity": 4},)
    counter_examples = ({}, {"category": "spam", "severity": 0}, {"category": "", "severity": 1})

    category: Slug
    severity: Annotated[int, Meta(ge=1, le=4)]
