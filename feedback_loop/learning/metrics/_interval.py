"""How sure a ratio is, given how few cases it rests on: three intervals, 95 % by default."""

from decimal import Decimal
from math import sqrt
from typing import Literal

Interval = Literal["wilson", "poisson", "normal"]
"""`wilson` for a share of cases, `poisson` for a count per case, `normal` for a mean of numbers."""

Z_95 = 1.959963984540054
Number = Decimal | float


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


def poisson(numerator: Number, denominator: Number, z: float = Z_95) -> tuple[float, float] | None:
    """Byar's interval of a count of events per case, which may pass 1; None where there is no case."""
    n, k = float(denominator), float(numerator)
    if n <= 0 or k < 0:
        return None
    low = k * (1 - 1 / (9 * k) - z / (3 * sqrt(k))) ** 3 if k > 0 else 0.0
    high = (k + 1) * (1 - 1 / (9 * (k + 1)) + z / (3 * sqrt(k + 1))) ** 3
    return max(low, 0.0) / n, high / n


def normal(numerator: Number, denominator: Number, squares: Number, z: float = Z_95) -> tuple[float, float] | None:
    """The mean give or take `z` standard errors, the spread taken from the numbers; None below two of them."""
    n = float(denominator)
    if n < 2:
        return None
    mean = float(numerator) / n
    spread = max(float(squares) - n * mean * mean, 0.0) / (n - 1)
    half = z * sqrt(spread / n)
    return mean - half, mean + half


def interval_of(
    kind: Interval, numerator: Number, denominator: Number, squares: Number = 0.0
) -> tuple[float, float] | None:
    """The interval of that kind; None where so few cases say nothing."""
    if kind == "poisson":
        return poisson(numerator, denominator)
    if kind == "normal":
        return normal(numerator, denominator, squares)
    return interval(numerator, denominator) if denominator > 0 else None
