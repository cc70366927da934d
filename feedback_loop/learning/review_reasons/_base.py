"""What a review reason is: a figure of one answer, and on which side of a threshold a person should look."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Literal, NamedTuple

from feedback_loop.learning.collecting import collect_classes


class Item(NamedTuple):
    """An answer that may be looked at: its row of INFERENCE_SCHEMA, and what enrichers added to it.

    Where feedback led here: that feedback as a row of ATTRIBUTED_SCHEMA, and by question how often each answer was
    given by all feedback about the inference that counts.
    """

    inference: Mapping[str, Any]
    added: Mapping[str, Any]
    feedback: Mapping[str, Any] | None = None
    votes: Sequence[Sequence[int]] = ()


class ReviewReason(ABC):
    """A figure and a side: `measured` is beyond a policy's threshold, or there is no reason to look."""

    name: ClassVar[str]
    looks_at: ClassVar[Literal["inference", "feedback"]]
    """What brings an item here: every answer, or feedback whose answer is known."""
    side: ClassVar[Literal["below", "at least"]] = "at least"
    threshold: ClassVar[float | None] = None
    """What counts where a policy names none; None: the reason has no figure, and holds for every item."""
    span: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Where thresholds may lie, both included."""

    @abstractmethod
    def measured(self, item: Item) -> float | None:
        """The figure of an item; None where it is not known, so that there is no reason."""

    def why(self, item: Item, threshold: float | None) -> str | None:
        """The reason in words, or None where there is none; `threshold` stands for the class's own."""
        limit = self.threshold if threshold is None else threshold
        found = self.measured(item)
        if found is None:
            return None
        if limit is None:
            return self.name
        holds = found < limit if self.side == "below" else found >= limit
        return f"{self.name}: {found:.3g} is {self.side} {limit:g}" if holds else None


@cache
def collect() -> Mapping[str, type[ReviewReason]]:
    """Every review reason by name: one file each here, and those of installed packages."""
    return collect_classes("feedback_loop.learning.review_reasons", ReviewReason)  # type: ignore[type-abstract]
