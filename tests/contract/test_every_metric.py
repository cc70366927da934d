"""What every metric promises, whoever wrote it."""

from decimal import Decimal

import ibis
import pytest

from feedback_loop.learning.metrics import Amounts, collect
from feedback_loop.learning.schemas import ATTRIBUTED_SCHEMA

SPOKEN = {"correct": True, "reward": 0.333333, "feedback_id": "f1"}
SILENT = {"correct": None, "reward": None, "feedback_id": "f1"}


@pytest.mark.parametrize("name", collect())
def test_a_metric_adds_exact_amounts(name):
    """A row adds decimals with at most 6 places, or nothing; a row that says nothing adds no sample."""
    metric = collect()[name]()

    amounts = metric.amounts(SPOKEN)

    assert isinstance(amounts, Amounts)
    assert all(isinstance(each, Decimal) and each.as_tuple().exponent >= -6 for each in amounts)
    assert (metric.amounts(SILENT) or Amounts(Decimal(0), Decimal(0))).denominator == 0


@pytest.mark.parametrize("name", collect())
def test_a_metric_is_an_expression_too(name):
    """Its columns are expressions over any table with the columns of ATTRIBUTED_SCHEMA."""
    table = ibis.table(ibis.Schema.from_pyarrow(ATTRIBUTED_SCHEMA), name="feedback")

    columns = collect()[name]().columns(table)

    assert columns.counts.type().is_boolean()
    assert all(isinstance(each, int) or each.type().is_numeric() for each in columns[1:])


@pytest.mark.parametrize("name", collect())
def test_a_metric_says_what_it_is(name):
    """It is found by its name, and its docstring is its page."""
    metric = collect()[name]

    assert metric.name == name
    assert metric.__doc__
