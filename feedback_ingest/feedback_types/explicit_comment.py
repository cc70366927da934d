"""A remark in words."""

from typing import ClassVar

import msgspec

from feedback_ingest.feedback_types._base import Comment, FeedbackValue, Widget


class ExplicitComment(FeedbackValue):
    """Free text about the answer; it says nothing numeric by itself."""

    feedback_type = "explicit_comment"
    metric = "volume"
    widget: ClassVar[Widget] = {"kind": "text", "field": "text"}
    examples = ({"text": "The tone is right, the date is not."},)
    counter_examples = ({}, {"text": ""})

    text_: Comment = msgspec.field(name="text")  # text() says what an answer should have been
