"""The answer went to whom mistakes cost most."""

from typing import ClassVar, Literal

from feedback_loop.learning.review_reasons._base import Item, ReviewReason


class Segment(ReviewReason):
    """Holds for every answer in the policy's `segments`, such as those of the largest customers."""

    name: ClassVar[str] = "segment"
    looks_at: ClassVar[Literal["inference", "feedback"]] = "inference"

    def measured(self, item: Item) -> float | None:
        """Always 1."""
        return 1.0
