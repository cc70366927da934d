"""The model was not sure of its answer."""

from typing import ClassVar, Literal

from feedback_loop.learning.review_reasons._base import Item, ReviewReason


class LowConfidence(ReviewReason):
    """The confidence of the answer, as the enrichers tell it: the highest probability, else what the record states."""

    name: ClassVar[str] = "low_confidence"
    looks_at: ClassVar[Literal["inference", "feedback"]] = "inference"
    side: ClassVar[Literal["below", "at least"]] = "below"
    threshold: ClassVar[float | None] = 0.6

    def measured(self, item: Item) -> float | None:
        """0 to 1; None where the model said nothing of it."""
        return item.added.get("confidence")
