"""What was asked is unlike what was asked before."""

from typing import ClassVar, Literal

from feedback_loop.learning.review_reasons._base import Item, ReviewReason


class Novelty(ReviewReason):
    """The `novelty` that an enricher adds to an answer; without one nothing is novel."""

    name: ClassVar[str] = "novelty"
    looks_at: ClassVar[Literal["inference", "feedback"]] = "inference"
    threshold: ClassVar[float | None] = 0.9

    def measured(self, item: Item) -> float | None:
        """0 to 1; None where no enricher tells it."""
        return item.added.get("novelty")
