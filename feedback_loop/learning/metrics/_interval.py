"""How sure a ratio is, given how few cases it rests on: three intervals, 95 % by default.

Where cases are weighted, what counts is how many unweighted ones would say as much.
"""

from decimal import Decimal
from math import sqrt
from typing import Literal

Interval = Literal["wilson", "poisson", "normal"]
"""`wilson` for a share of cases, `poisson` for a count per case, `normal` for a mean of numbers."""

Z_95 = 1.959963984540054
Number = Decimal | float


def effective(denominator: Number, weights: Number | None) -> Number:
    """How many unweighted cases say as much: `weights` sums the squares of the weights, `denominator` the weights."""
    if not weights or weights == denominator:
        return denominator
    return type(denominator)(denominator * denominator / weights)  # type: ignore[operator]


def interval(numerator: Number, denominator: Number, z: float = Z_95) -> tuple[float, float]:
    """Wilson's interval of the ratio, within 0..1; (0, 1) where the denominator is 0.

    Where the cases are not 0 or 1 but between (ratings, half a win for a tie) it is wider than need be, never narrower.
    """
    n = float(denominator)
    if n <= 0:
        return 0.0, 1.0
    share = min(max(float(numerator) / n, 0.0), 1.0)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def poisson(
    numerator: Number, denominator: Number, squares: Number = 0.0, z: float = Z_95
) -> tuple[float, float] | None:
    """Byar's interval of a count of events per case, which may pass 1; None where there is no case.

    `squares` sums the squares of what each event weighs.
    """
    if denominator <= 0 or numerator < 0:
        return None
    k = float(effective(numerator, squares))
    n = float(denominator) * (k / float(numerator) if k else 1.0)
    low = k * (1 - 1 / (9 * k) - z / (3 * sqrt(k))) ** 3 if k > 0 else 0.0
    high = (k + 1) * (1 - 1 / (9 * (k + 1)) + z / (3 * sqrt(k + 1))) ** 3
    return max(low, 0.0) / n, high / n


def normal(
    numerator: Number, denominator: Number, squares: Number, weights: Number | None = None, z: float = Z_95
) -> tuple[float, float] | None:
    """The mean give or take `z` standard errors, the spread taken from the numbers; None below two of them.

    `squares` sums the squares of the weighted numbers, `weights` those of the weights (None: all are 1).
    """
    total, n = float(denominator), float(effective(denominator, weights))
    if n < 2:
        return None
    mean = float(numerator) / total
    spread = max(float(squares) - float(weights or denominator) * mean * mean, 0.0) / total**2
    half = z * sqrt(spread * n / (n - 1))
    return mean - half, mean + half


def interval_of(
    kind: Interval, numerator: Number, denominator: Number, squares: Number = 0.0, weights: Number | None = None
) -> tuple[float, float] | None:
    """The interval of that kind; None where so few cases say nothing."""
    if kind == "poisson":
        return poisson(numerator, denominator, squares)
    if kind == "normal":
        return normal(numerator, denominator, squares, weights)
    return interval_of_share(numerator, denominator, weights) if denominator > 0 else None


def interval_of_share(numerator: Number, denominator: Number, weights: Number | None = None) -> tuple[float, float]:
    """Wilson's interval, of as many cases as the weighted ones are worth."""
    n = float(effective(denominator, weights))
    return interval(float(numerator) * n / float(denominator) if denominator else 0.0, n)
