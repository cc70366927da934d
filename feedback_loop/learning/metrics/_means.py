"""A mean of numbers on a scale of their own: what one of them adds, as a function and as an expression."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from feedback_loop.learning.metrics._base import LARGEST, ONE, WIDE, AmountColumns, Amounts, exact

if TYPE_CHECKING:
    from ibis.expr.types import NumericValue


def mean_amounts(number: float | None) -> Sequence[Amounts]:
    """The number over 1, and its square; nothing where there is none, or one beyond LARGEST."""
    if number is None or abs(number) > LARGEST:
        return ()
    amount = exact(number)
    return (Amounts(amount, ONE, WIDE.multiply(amount, amount)),)


def mean_columns(number: "NumericValue") -> Sequence[AmountColumns]:
    """The same of a column of numbers."""
    # As narrow as the sum of squares allows, and no narrower: below 19 digits DuckDB multiplies in 64 bits.
    counts = (number.abs() <= LARGEST).fill_null(False)
    amount = counts.ifelse(number, None).cast("decimal(19, 6)")
    return (AmountColumns(counts, amount, 1, amount * amount),)
