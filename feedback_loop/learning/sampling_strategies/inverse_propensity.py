"""Rather what the model seldom answers."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta, Struct

from feedback_loop.learning.sampling_strategies._by_size import BySize

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import FloatingValue


class InversePropensity(BySize):
    """By 1 / propensity of the answer, at most `most`. Without weights the sample is as if answers had been given
    evenly; with weights it is unbiased for the answers as they were given. Unknown propensities count as 1.
    """

    name: ClassVar[str] = "inverse_propensity"
    reads: ClassVar[tuple[str, ...]] = ("propensity",)

    class Options(Struct, frozen=True, forbid_unknown_fields=True):
        """No answer counts for more than so many."""

        most: Annotated[float, Meta(ge=1, le=10_000)] = 100.0

    def size(self, candidates: "ibis.Table") -> "FloatingValue":
        """The bounded inverse."""
        import ibis

        return ibis.least(1.0 / ibis.greatest(candidates.propensity.fill_null(1.0), 1e-9), self.options.most)
