"""What was asked is unlike what the model was trained on."""

from typing import ClassVar, Literal

from feedback_loop.learning.review_reasons._base import Item, ReviewReason


class Novelty(ReviewReason):
    """The `novelty` of an answer, as the enrichers tell it; where none is known nothing is novel."""

    name: ClassVar[str] = "novelty"
    looks_at: ClassVar[Literal["inference", "feedback"]] = "inference"
    threshold: ClassVar[float | None] = 0.9

    def measured(self, item: Item) -> float | None:
        """0 to 1; None where it is not known."""
        return item.added.get("novelty")
