"""Ratios that rules are decided on: the sums of a metric's buckets over a span of event time."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from feedback_loop.learning.metrics import effective

ZERO = Decimal(0)


class Point(NamedTuple):
    """One bucket of a metric, as the metrics table holds it."""

    bucket_start: datetime
    numerator: Decimal
    denominator: Decimal
    weights: Decimal | None = None


class Ratio(NamedTuple):
    """A metric over a span of event time; `weights` sums the squares of what each case stands for (None: all are 1)."""

    numerator: Decimal = ZERO
    denominator: Decimal = ZERO
    weights: Decimal | None = None

    @property
    def value(self) -> Decimal | None:
        """None while there is nothing to divide by."""
        return self.numerator / self.denominator if self.denominator else None

    @property
    def samples(self) -> int:
        """What the value rests on: so many cases, each for itself, would say as much."""
        return int(effective(self.denominator, self.weights))


def ratio(points: Iterable[Point], start: datetime, end: datetime) -> Ratio:
    """The sums of the buckets that start between `start` and `end`, both included."""
    inside = [point for point in points if start <= point.bucket_start <= end]
    return Ratio(
        sum((point.numerator for point in inside), ZERO),
        sum((point.denominator for point in inside), ZERO),
        sum((point.denominator if point.weights is None else point.weights for point in inside), ZERO),
    )


def without(seen: Ratio, votes: Ratio) -> Ratio:
    """What is left of a window without end users' votes."""
    weights = None if seen.weights is None else seen.weights - (votes.weights or votes.denominator)
    return Ratio(seen.numerator - votes.numerator, seen.denominator - votes.denominator, weights)
