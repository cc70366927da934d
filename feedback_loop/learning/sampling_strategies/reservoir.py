"""A uniform sample, as a reservoir would hold."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.sampling_strategies._by_stratum import ByStratum, proportional_quotas

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import StringValue


class Reservoir(ByStratum):
    """Everybody has the same chance. Unbiased, with and without weights: each stands for as many as any other."""

    name: ClassVar[str] = "reservoir"

    def stratum(self, candidates: "ibis.Table") -> "StringValue":
        """All are one group."""
        import ibis

        return ibis.literal("all")

    def quotas(self, counts: Mapping[Any, int], rows: int) -> dict[Any, int]:
        """All there are, or `rows`."""
        return proportional_quotas(counts, rows)
