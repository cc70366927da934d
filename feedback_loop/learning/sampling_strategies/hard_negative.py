"""Rather where the model was wrong and sure of it."""

from typing import TYPE_CHECKING, ClassVar

from feedback_loop.learning.sampling_strategies._by_size import BySize

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import FloatingValue

EASY = 0.1


class HardNegative(BySize):
    """Wrong answers by their confidence, all others at a tenth. Without weights it leans to mistakes; with weights it
    is unbiased. A wrong answer of unknown confidence counts as half sure.
    """

    name: ClassVar[str] = "hard_negative"
    reads: ClassVar[tuple[str, ...]] = ("correct", "confidence")

    def size(self, candidates: "ibis.Table") -> "FloatingValue":
        """EASY, and for the wrong their confidence on top."""
        import ibis

        is_wrong = ~candidates.correct.fill_null(True)
        return EASY + ibis.ifelse(is_wrong, candidates.confidence.fill_null(0.5), 0.0)
