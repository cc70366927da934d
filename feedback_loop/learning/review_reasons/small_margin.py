"""The model nearly gave another answer."""

from typing import ClassVar, Literal

from feedback_loop.learning.review_reasons._base import Item, ReviewReason


class SmallMargin(ReviewReason):
    """How far the highest probability lies above the second."""

    name: ClassVar[str] = "small_margin"
    looks_at: ClassVar[Literal["inference", "feedback"]] = "inference"
    side: ClassVar[Literal["below", "at least"]] = "below"
    threshold: ClassVar[float | None] = 0.1

    def measured(self, item: Item) -> float | None:
        """0 to 1; None where there are not two probabilities."""
        return item.added.get("margin")
