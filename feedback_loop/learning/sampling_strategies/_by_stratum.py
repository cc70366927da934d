"""Sampling by stratum: so many of each group, each standing for its group's share of all."""

from abc import abstractmethod
from collections.abc import Mapping
from math import sqrt
from typing import TYPE_CHECKING, Any

from feedback_loop.learning.sampling_strategies._base import WEIGHT, SamplingStrategy, Workbench

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import StringValue

MARGIN = 8.0
"""Standard deviations that the first cut leaves above what is wanted: what it lets through is few, and enough."""


def equal_quotas(counts: Mapping[Any, int], rows: int) -> dict[Any, int]:
    """As many of each group as of any other, save of those that have fewer; together `rows`, or all there are."""
    left, quotas = rows, {}
    ordered = sorted(counts, key=lambda group: (counts[group], str(group)))
    for place, group in enumerate(ordered):
        quotas[group] = min(counts[group], left // (len(ordered) - place))
        left -= quotas[group]
    return quotas


def proportional_quotas(counts: Mapping[Any, int], rows: int) -> dict[Any, int]:
    """Of each group its share of all, by largest remainders; together `rows`, or all there are."""
    total = sum(counts.values())
    if rows >= total:
        return dict(counts)
    quotas = {group: count * rows // total for group, count in counts.items()}
    ordered = sorted(counts, key=lambda group: (-(counts[group] * rows % total), str(group)))
    for group in ordered[: rows - sum(quotas.values())]:
        quotas[group] += 1
    return quotas


class ByStratum(SamplingStrategy):
    """Within a group everybody has the same chance; an example weighs what it stands for in its group.

    Sums over the sample expect the sums over all groups that any example was taken of.
    """

    is_unbiased = True

    @abstractmethod
    def stratum(self, candidates: "ibis.Table") -> "StringValue":
        """The group of a candidate; null is a group too."""

    @abstractmethod
    def quotas(self, counts: Mapping[Any, int], rows: int) -> dict[Any, int]:
        """How many are wanted of each group that has so many."""

    def sampled(self, candidates: "ibis.Table", rows: int, seed: int, bench: Workbench) -> "ibis.Table":
        """Exactly `rows`, or all where there are fewer; no group is sorted whole."""
        import ibis
        import pyarrow as pa

        from feedback_loop.learning.sql_functions import chance

        group = self.stratum(candidates).fill_null("")
        narrow = bench.hold(candidates.select("example", group_=group, u=chance(candidates.name, seed, "sample")), "u")
        counted = narrow.group_by("group_").agg(n=narrow.count()).order_by("group_")
        counts = {row["group_"]: row["n"] for row in bench.rows(counted)}
        wanted = self.quotas(counts, rows)
        columns = {
            "group_": pa.array(counts, pa.string()),
            "quota": pa.array([wanted[name] for name in counts], pa.int64()),
            "below": pa.array([_cut(wanted[name], counts[name]) for name in counts], pa.float64()),
            "stands_for": pa.array([counts[name] / max(wanted[name], 1) for name in counts], pa.float64()),
        }
        near = narrow.inner_join(ibis.memtable(pa.table(columns)), "group_")
        near = near.filter(near.u < near.below)
        placed = near.mutate(place=ibis.row_number().over(group_by="group_", order_by=["u", "example"]))
        best = placed.filter(placed.place < placed.quota)
        return candidates.inner_join(best.select("example", **{WEIGHT: best.stands_for}), "example")


def _cut(quota: int, count: int) -> float:
    """A chance below which there are, as good as certainly, at least `quota` of `count`."""
    return 2.0 if quota >= count else (quota + MARGIN * sqrt(quota) + MARGIN * MARGIN) / count
