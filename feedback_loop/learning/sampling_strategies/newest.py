"""The newest examples: what was said last."""

from typing import TYPE_CHECKING, ClassVar

from feedback_loop.learning.sampling_strategies._base import WEIGHT, SamplingStrategy, Workbench

if TYPE_CHECKING:
    import ibis


class Newest(SamplingStrategy):
    """The last `rows` by offset. Biased: it speaks of the newest time alone, and nothing stands for what was before."""

    name: ClassVar[str] = "newest"
    is_unbiased: ClassVar[bool] = False

    def sampled(self, candidates: "ibis.Table", rows: int, seed: int, bench: Workbench) -> "ibis.Table":
        """Exactly `rows`, or all where there are fewer; the seed changes nothing."""
        ordered = candidates.order_by(candidates.last_offset.desc()).select("last_offset")
        found = bench.rows(ordered.limit(1, offset=rows - 1))
        least = found[0]["last_offset"] if found else 0
        return candidates.filter(candidates.last_offset >= least).mutate(**{WEIGHT: 1.0})
