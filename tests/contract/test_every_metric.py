"""What every metric promises, whoever wrote it."""

from decimal import Decimal
from typing import get_args

import ibis
import pyarrow as pa
import pytest

from feedback_ingest.doors.metrics import types_of_built_in
from feedback_loop.learning.metrics import Amounts, Interval, collect
from feedback_loop.learning.schemas import ATTRIBUTED_SCHEMA, INFERENCE_SCHEMA

INFERENCE = {"model_version": "v1", "output_ids": ["A", "B"], "output_versions": ["v1", "v2"]}
SPOKEN = {
    "feedback_type": "explicit_rating",
    "correct": True,
    "reward": 0.333333,
    "number": 3.0,
    "preferred": "A",
    "rejected": None,
    "tie": False,
    "feedback_id": "f1",
}
SILENT = dict.fromkeys(SPOKEN) | {"feedback_id": "f1", "feedback_type": "explicit_comment"}


@pytest.mark.parametrize("name", collect())
def test_a_metric_adds_exact_amounts(name):
    """A row adds decimals with at most 6 places, or nothing; a row that says nothing adds no sample."""
    metric = collect()[name]()

    amounts = metric.amounts(SPOKEN, INFERENCE)

    assert all(isinstance(each, Amounts) for each in amounts)
    exact = [number for each in amounts for number in each[:2]]
    assert all(isinstance(each, Decimal) and each.as_tuple().exponent >= -6 for each in exact)
    assert all(each.denominator == 0 for each in metric.amounts(SILENT, INFERENCE))


@pytest.mark.parametrize("name", collect())
def test_a_metric_is_an_expression_too(name):
    """Its columns are expressions over any table with the columns of ATTRIBUTED_SCHEMA, and the inference's outputs."""
    outputs = [INFERENCE_SCHEMA.field(name) for name in ("output_ids", "output_versions")]
    table = ibis.table(ibis.Schema.from_pyarrow(pa.schema([*ATTRIBUTED_SCHEMA, *outputs])), name="feedback")
    metric = collect()[name]()

    columns = metric.columns(metric.prepared(table))

    assert len(columns) >= len(metric.amounts(SPOKEN, INFERENCE))
    for each in columns:
        assert each.counts is None or each.counts.type().is_boolean()
        assert all(isinstance(amount, int) or amount.type().is_numeric() for amount in each[1:3])


@pytest.mark.parametrize("name", collect())
def test_a_metric_says_what_it_counts(name):
    """Numerator, denominator and what silence means are written down; no project can register another by its name."""
    metric = collect()[name]

    assert all((metric.numerator, metric.denominator, metric.silence))
    assert metric.interval in get_args(Interval)
    assert name in types_of_built_in() or not metric.__module__.startswith("feedback_loop.")


@pytest.mark.parametrize("name", collect())
def test_a_metric_says_what_it_is(name):
    """It is found by its name, and its docstring is its page."""
    metric = collect()[name]

    assert metric.name == name
    assert metric.__doc__
