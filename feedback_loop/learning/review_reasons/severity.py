"""Somebody was harmed by the answer, or says so."""

from typing import ClassVar, Literal

import orjson

from feedback_loop.learning.review_reasons._base import Item, ReviewReason


class Severity(ReviewReason):
    """How severe the harm is that a `safety_flag` reports."""

    name: ClassVar[str] = "severity"
    looks_at: ClassVar[Literal["inference", "feedback"]] = "feedback"
    threshold: ClassVar[float | None] = 1
    span: ClassVar[tuple[float, float]] = (1, 4)

    def measured(self, item: Item) -> float | None:
        """1 to 4; None for any other feedback."""
        said = item.feedback
        if said is None or said["feedback_type"] != "safety_flag":
            return None
        return float(orjson.loads(said["feedback_value"])["severity"])
