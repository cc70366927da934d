"""Windows over buckets of event time: tumbling, sliding and session; beside the first two an expression for tables.

A window is a sum of buckets, worked out when somebody asks. So it is never closed: an event that comes late changes the
windows that hold its own moment, those and no others, whenever it comes. How late that may be is the door's rule: 400
days, and without end for a key with the scope `backfill`.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from feedback_loop.learning.metrics import WIDE, floored

if TYPE_CHECKING:
    import ibis

SUMS = {
    "numerator": "decimal(38, 6)",
    "denominator": "decimal(38, 6)",
    "squares": "decimal(38, 12)",
    "weights": "decimal(38, 6)",
}
ZERO = Decimal(0)


class Bucket(NamedTuple):
    """What one metric of one model version adds up to in one bucket of event time."""

    start: datetime
    numerator: Decimal
    denominator: Decimal
    squares: Decimal = ZERO
    weights: Decimal = ZERO


class Window(NamedTuple):
    """The buckets from `start` up to `end`, which is not in it, in sum."""

    start: datetime
    end: datetime
    numerator: Decimal
    denominator: Decimal
    squares: Decimal = ZERO
    weights: Decimal = ZERO


def tumbling(buckets: Iterable[Bucket], window_s: int) -> list[Window]:
    """Windows side by side, each `window_s` seconds since 1970 long (whole buckets), in order; none that is empty."""
    return sliding(buckets, window_s, window_s)


def sliding(buckets: Iterable[Bucket], window_s: int, step_s: int) -> list[Window]:
    """Windows of `window_s` that end every `step_s` seconds since 1970, in order; none that is empty.

    `window_s` is a multiple of `step_s`, and that of a bucket: each bucket is in window_s / step_s windows.
    """
    sums: dict[datetime, Window] = {}
    step, width = timedelta(seconds=step_s), timedelta(seconds=window_s)
    for bucket in buckets:
        end = floor(bucket.start, step_s)
        for _ in range(window_s // step_s):
            end += step
            sums[end] = _plus(sums.get(end, Window(end - width, end, ZERO, ZERO)), bucket)
    return [sums[end] for end in sorted(sums)]


def sessions(buckets: Iterable[Bucket], bucket_s: int, gap_s: int) -> list[Window]:
    """Stretches of use, in order: one ends where no bucket holds anything for at least `gap_s` seconds."""
    found: list[Window] = []
    length, gap = timedelta(seconds=bucket_s), timedelta(seconds=gap_s)
    for bucket in sorted(buckets):
        if not found or bucket.start - found[-1].end >= gap:
            found.append(Window(bucket.start, bucket.start, ZERO, ZERO))
        found[-1] = _plus(found[-1], bucket)._replace(end=bucket.start + length)
    return found


def floor(moment: datetime, step_s: int) -> datetime:
    """The last whole multiple of `step_s` seconds since 1970 up to `moment`."""
    second = int(moment.timestamp())
    return datetime.fromtimestamp(second - second % step_s, UTC)


def _plus(window: Window, bucket: Bucket) -> Window:
    return window._replace(
        numerator=window.numerator + bucket.numerator,
        denominator=window.denominator + bucket.denominator,
        squares=WIDE.add(window.squares, bucket.squares),
        weights=window.weights + bucket.weights,
    )


def tumbling_table(buckets: "ibis.Table", window_s: int, by: Sequence[str]) -> "ibis.Table":
    """`tumbling` of each series of `buckets` (METRICS_SCHEMA); a series is named by the columns `by`."""
    return sliding_table(buckets, window_s, window_s, by)


def sliding_table(buckets: "ibis.Table", window_s: int, step_s: int, by: Sequence[str]) -> "ibis.Table":
    """`sliding` of each series: the columns `by`, start, end and the sums."""
    import ibis

    places = ibis.range(1, window_s // step_s + 1).unnest()
    held = buckets.mutate(first=floored(buckets.bucket_start, step_s), place=places)
    held = held.mutate(end=held["first"] + (held.place * step_s).as_interval("s"))
    summed = held.group_by([*by, "end"]).agg(**_sums(held))
    start = summed.end - ibis.interval(seconds=window_s)
    return summed.select(*by, "end", *SUMS, start=start).select(*by, "start", "end", *SUMS)


def _sums(table: "ibis.Table") -> dict[str, "ibis.Value"]:
    return {name: table[name].sum().cast(kind) for name, kind in SUMS.items()}
