"""Two tables of counts compared: are they spread alike?"""

from collections.abc import Mapping
from typing import NamedTuple


class Compared(NamedTuple):
    """How unlikely the difference is by chance, and how large: the share of cases that would have to change."""

    p: float
    distance: float


def compared(before: Mapping[str, int], now: Mapping[str, int], least: int = 5) -> Compared:
    """By chi-squared; values that are rare in both count together, so that the test holds."""
    from scipy.stats import chi2_contingency

    names = sorted(before.keys() | now.keys())
    common = [name for name in names if before.get(name, 0) + now.get(name, 0) >= 2 * least]
    columns = [(before.get(name, 0), now.get(name, 0)) for name in common]
    rest = [sum(side.get(name, 0) for name in names if name not in common) for side in (before, now)]
    if sum(rest):
        columns.append((rest[0], rest[1]))
    sums = [sum(column[side] for column in columns) for side in (0, 1)]
    if len(columns) < 2 or not all(sums):
        return Compared(1.0, 0.0)
    distance = sum(abs(one / sums[0] - other / sums[1]) for one, other in columns) / 2
    return Compared(float(chi2_contingency(list(zip(*columns, strict=True))).pvalue), distance)
