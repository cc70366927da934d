"""Chance: a sample that stands for all answers, whatever else is looked at."""

from typing import ClassVar, Literal

from feedback_loop.learning.review_reasons._base import Item, ReviewReason


class RandomAudit(ReviewReason):
    """Holds for every answer; the policy's `share` of them is taken, by a hash of the name."""

    name: ClassVar[str] = "random_audit"
    looks_at: ClassVar[Literal["inference", "feedback"]] = "inference"

    def measured(self, item: Item) -> float | None:
        """Always 1."""
        return 1.0
