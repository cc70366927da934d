"""People say different things of one answer."""

from typing import ClassVar, Literal

from feedback_loop.learning.metrics import contested
from feedback_loop.learning.review_reasons._base import Item, ReviewReason


class Disagreement(ReviewReason):
    """Of all pairs of judgements of the answer the share that differ, by the question that divides people most."""

    name: ClassVar[str] = "disagreement"
    looks_at: ClassVar[Literal["inference", "feedback"]] = "feedback"
    threshold: ClassVar[float | None] = 0.5

    def measured(self, item: Item) -> float | None:
        """0 to 1; None below two judgements."""
        found = [float(amounts.numerator) for counts in item.votes if (amounts := contested(counts)) is not None]
        return max(found, default=None)
