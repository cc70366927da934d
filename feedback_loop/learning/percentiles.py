"""p50, p95 and p99 of latencies; the nearest measured value, never an interpolated one."""

import math
from collections.abc import Iterable


def percentiles(values: Iterable[float]) -> dict[str, float | int | None]:
    """`{"p50", "p95", "p99", "count"}` in the unit of `values`, rounded to 3 decimals; None where there are none.

    >>> percentiles([4.0, 1.0, 2.0, 3.0])
    {'p50': 2.0, 'p95': 4.0, 'p99': 4.0, 'count': 4}
    """
    ordered = sorted(values)
    result: dict[str, float | int | None] = {}
    for share in (50, 95, 99):
        rank = math.ceil(len(ordered) * share / 100)
        result[f"p{share}"] = round(ordered[rank - 1], 3) if ordered else None
    return {**result, "count": len(ordered)}
