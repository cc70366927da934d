"""Rather what the model was unsure of."""

from typing import TYPE_CHECKING, ClassVar, Literal

from msgspec import Struct

from feedback_loop.learning.sampling_strategies._by_size import BySize

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import FloatingValue


class Uncertainty(BySize):
    """By the `entropy` of the probabilities, the `least_confidence` (1 - confidence) or the `margin` (1 - margin).
    Without weights it leans to the decision boundary; with weights it is unbiased. Unknown counts as sure.
    """

    name: ClassVar[str] = "uncertainty"
    reads: ClassVar[tuple[str, ...]] = ("entropy", "confidence", "margin")

    class Options(Struct, frozen=True, forbid_unknown_fields=True):
        """How uncertainty is told."""

        measure: Literal["entropy", "least_confidence", "margin"] = "entropy"

    def size(self, candidates: "ibis.Table") -> "FloatingValue":
        """The uncertainty."""
        if self.options.measure == "entropy":
            return candidates.entropy
        return 1.0 - (candidates.confidence if self.options.measure == "least_confidence" else candidates.margin)
