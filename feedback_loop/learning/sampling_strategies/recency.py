"""Rather what is new, without forgetting what is old."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta, Struct

from feedback_loop.learning.sampling_strategies._by_size import BySize

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import FloatingValue


class Recency(BySize):
    """An example's chance halves with every `half_life_s` before the newest receipt. Without weights it leans to the
    newest; with weights it is unbiased, save for what is older than some ten half-lives, which is chosen alike.
    """

    name: ClassVar[str] = "recency"
    reads: ClassVar[tuple[str, ...]] = ("received_at",)

    class Options(Struct, frozen=True, forbid_unknown_fields=True):
        """Seconds in which a chance halves."""

        half_life_s: Annotated[float, Meta(gt=0, le=1e9)] = 604_800.0

    def size(self, candidates: "ibis.Table") -> "FloatingValue":
        """Two to the power of minus the half-lives that have passed."""
        import ibis

        at_us = candidates.received_at.cast("timestamp('UTC', 6)").epoch_seconds()
        age_s = (at_us.max() - at_us).cast("float64")
        return ibis.literal(2.0) ** (-age_s / self.options.half_life_s)
