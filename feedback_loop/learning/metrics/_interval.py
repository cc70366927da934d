"""How sure a ratio is, given how few cases it rests on."""

from decimal import Decimal
from math import sqrt

Z_95 = 1.959963984540054


def interval(numerator: Decimal | float, denominator: Decimal | float, z: float = Z_95) -> tuple[float, float]:
    """Wilson's interval of the ratio, 95 % by default, within 0..1; (0, 1) where the denominator is 0."""
    n = float(denominator)
    if n <= 0:
        return 0.0, 1.0
    share = min(max(float(numerator) / n, 0.0), 1.0)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)
