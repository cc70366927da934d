"""Comparing two groups by counts: chi-squared, population stability index, Kolmogorov-Smirnov."""

from collections.abc import Sequence
from itertools import accumulate
from math import log, sqrt
from typing import NamedTuple

FLOOR = 1e-4
"""A share of 0 counts as this, or its logarithm would be infinite."""

Z_999 = 3.290526731491926
"""Two-sided, one in a thousand: the question is asked every few seconds, of every segment."""


class Independence(NamedTuple):
    """Pearson's statistic of a table, its degrees of freedom, and how likely so large a one is by chance."""

    statistic: float
    freedom: int
    p: float


class Distance(NamedTuple):
    """How far two distributions are apart, and between what it lies."""

    value: float
    low: float
    high: float


def independence(table: Sequence[tuple[int, int]]) -> Independence:
    """Whether the two columns of counts are spread alike over the rows; p is 1 where that cannot be told."""
    from scipy.special import chdtrc

    rows = [row for row in table if sum(row)]
    columns = [sum(row[side] for row in rows) for side in (0, 1)]
    total = sum(columns)
    if len(rows) < 2 or not all(columns):
        return Independence(0.0, 0, 1.0)
    statistic = 0.0
    for row in rows:
        for count, column in zip(row, columns, strict=True):
            expected = sum(row) * column / total
            statistic += (count - expected) ** 2 / expected
    freedom = len(rows) - 1
    return Independence(statistic, freedom, float(chdtrc(freedom, statistic)))


def stability(reference: Sequence[float], other: Sequence[float], z: float = Z_999) -> Distance:
    """The population stability index of two rows of counts over the same categories, less what chance adds to it.

    The interval is by the delta method, the two taken for independent; where one is part of the other it is too wide.
    """
    n, m = sum(reference), sum(other)
    if not n or not m:
        return Distance(0.0, 0.0, 0.0)
    pairs = [(max(a / n, FLOOR), max(b / m, FLOOR)) for a, b in zip(reference, other, strict=True) if a or b]
    index = sum((q - p) * log(q / p) for p, q in pairs)
    by_p = [(p, -log(q / p) - q / p + 1) for p, q in pairs]
    by_q = [(q, log(q / p) + 1 - p / q) for p, q in pairs]
    half = z * sqrt(_spread(by_p) / n + _spread(by_q) / m)
    value = index - (len(pairs) - 1) * (1 / n + 1 / m)
    return Distance(max(value, 0.0), max(value - half, 0.0), max(value + half, 0.0))


def _spread(slopes: Sequence[tuple[float, float]]) -> float:
    """The variance of a slope that is met with the given shares."""
    mean = sum(share * slope for share, slope in slopes)
    return max(sum(share * slope * slope for share, slope in slopes) - mean * mean, 0.0)


def kolmogorov_smirnov(reference: Sequence[int], other: Sequence[int], chance: float = 0.001) -> Distance:
    """The largest gap between two cumulated histograms over the same ordered bins.

    The interval is by Dvoretzky, Kiefer and Wolfowitz, at the given chance for each of the two.
    """
    n, m = sum(reference), sum(other)
    if not n or not m:
        return Distance(0.0, 0.0, 1.0)
    gaps = (abs(a / n - b / m) for a, b in zip(accumulate(reference), accumulate(other), strict=True))
    gap = max(gaps)
    half = sqrt(log(2 / chance) / 2) * (1 / sqrt(n) + 1 / sqrt(m))
    return Distance(gap, max(gap - half, 0.0), min(gap + half, 1.0))
