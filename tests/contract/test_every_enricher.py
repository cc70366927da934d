"""What every enricher promises, whoever wrote it."""

import ibis
import pytest

from feedback_loop.learning.enrichers import collect
from feedback_loop.learning.schemas import INFERENCE_SCHEMA

INFERENCE = {
    "log_offset": 1,
    "project_id": 1,
    "inference_request_id": "r1",
    "model_name": "m",
    "model_version": "v1",
    "answer_label": '"a"',
    "answer_text": None,
    "output_ids": ["A", "B"],
    "probabilities": [0.75, 0.25],
    "confidence": 0.75,
    "segments": None,
    "inputs": '{"x":1}',
    "inputs_ref": None,
}


@pytest.mark.parametrize("name", collect())
@pytest.mark.parametrize("change", [{}, {"probabilities": None, "confidence": None, "inputs": None, "output_ids": []}])
def test_an_enricher_adds_its_columns_and_nothing_else(name, change):
    """One inference, rich or bare, gets exactly the promised columns."""
    enricher = collect()[name]()

    assert set(enricher.enrich(INFERENCE | change)) == set(enricher.columns)


@pytest.mark.parametrize("name", collect())
def test_an_enricher_is_an_expression_too(name):
    """A table gets the same columns, keeps its own and keeps its rows."""
    table = ibis.table(ibis.Schema.from_pyarrow(INFERENCE_SCHEMA), name="inferences")
    enricher = collect()[name]()

    assert set(enricher.expression(table).columns) == set(table.columns) | set(enricher.columns)
    assert collect()[name].__doc__
