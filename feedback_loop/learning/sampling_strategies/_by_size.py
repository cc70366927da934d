"""Sampling by size: an example's chance grows with a number, and its weight falls as much."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from feedback_loop.learning.sampling_strategies._base import WEIGHT, SamplingStrategy, Workbench

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import FloatingValue

LEAST = 1e-3
"""No candidate is so small that it could not be chosen: else nothing could stand for it."""


class BySize(SamplingStrategy):
    """Priority sampling (Duffield, Lund, Thorup 2007): the `rows` largest of size / chance, each weighing
    max(1, next largest / size). Sums over the sample expect the sums over all, whatever the sizes are.
    """

    is_unbiased = True

    @abstractmethod
    def size(self, candidates: "ibis.Table") -> "FloatingValue":
        """How likely a candidate is to be chosen, beside others; null counts as LEAST."""

    def sampled(self, candidates: "ibis.Table", rows: int, seed: int, bench: Workbench) -> "ibis.Table":
        """Exactly `rows`, or all where there are fewer."""
        import ibis

        from feedback_loop.learning.sql_functions import chance

        size = ibis.greatest(self.size(candidates).cast("float64").fill_null(LEAST), LEAST)
        narrow = candidates.select("example", size_=size, priority=size / chance(candidates.name, seed, "sample"))
        held = bench.hold(narrow, "priorities")
        ordered = held.order_by(held.priority.desc()).select("priority").limit(1, offset=rows)
        found = bench.rows(ordered)
        bound = found[0]["priority"] if found else 0.0
        best = held.filter(held.priority > bound)
        chosen = best.select("example", **{WEIGHT: ibis.greatest(1.0, bound / best.size_)})
        return candidates.inner_join(chosen, "example")
