"""What a feedback stands for that its client sampled: the inverse of its pass_probability, and how surely it does.

A client that sends one of ten weighs each of them ten times, so a ratio tends to where it would without sampling; but
ten that weigh ten say no more than ten. So the squares of the weights are summed as well: Kish's effective sample size,
(sum of weights)² / (sum of their squares), is what an interval and a least number of samples rest on ("Survey
Sampling", 1965).
"""

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from math import floor
from typing import TYPE_CHECKING

from feedback_loop.learning.metrics._base import WIDE

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import NumericValue

MOST_SAMPLED = 20.0
"""What one feedback may weigh at most for being sampled: whoever names a smaller pass_probability gets no more."""

MILLION = 1_000_000
SIXTH = Decimal("0.000001")
NARROW, SUM = "decimal(19, 6)", "decimal(38, 6)"
"""Two factors that DuckDB multiplies exactly, and what their product is rounded to, half away from 0."""


@lru_cache(maxsize=4_096)
def weight_of(pass_probability: float) -> Decimal:
    """The weight, to 6 places, at most MOST_SAMPLED."""
    return Decimal(min(floor(MILLION / pass_probability + 0.5), int(MOST_SAMPLED * MILLION))).scaleb(-6)


def weighted(amount: Decimal, weight: Decimal) -> Decimal:
    """The product, to 6 places."""
    return WIDE.multiply(amount, weight).quantize(SIXTH, ROUND_HALF_UP)


def weight_column(feedback: "ibis.Table") -> "NumericValue":
    """`weight_of` every row."""
    import ibis

    millionths = (MILLION / feedback.pass_probability + 0.5).floor()
    return (ibis.least(millionths, MOST_SAMPLED * MILLION) / MILLION).cast(NARROW)


def weighted_column(amount: "NumericValue", weight: "NumericValue") -> "NumericValue":
    """`weighted` of every row."""
    return (amount.cast(NARROW) * weight.cast(NARROW)).cast(SUM)
