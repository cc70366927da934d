"""A mean of numbers on a scale of their own: what one of them adds, as a function and as an expression."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from feedback_loop.learning.metrics._base import LARGEST, ONE, AmountColumns, Amounts, exact

if TYPE_CHECKING:
    from ibis.expr.types import NumericValue


def mean_amounts(number: float | None) -> Sequence[Amounts]:
    """The number over 1; nothing where there is none, or one beyond LARGEST."""
    if number is None or abs(number) > LARGEST:
        return ()
    return (Amounts(exact(number), ONE),)


def mean_columns(number: "NumericValue") -> Sequence[AmountColumns]:
    """The same of a column of numbers."""
    counts = (number.abs() <= LARGEST).fill_null(False)
    return (AmountColumns(counts, counts.ifelse(number, None), 1),)
