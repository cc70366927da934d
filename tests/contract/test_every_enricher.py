"""What every enricher promises, whoever wrote it."""

import ibis
import pytest

from feedback_loop.learning.enrichers import collect, collect_by_sample, collect_history, collect_judging
from feedback_loop.learning.familiarity import NEAREST, sample_of
from feedback_loop.learning.judges import Judge
from feedback_loop.learning.reward_model import RewardModel
from feedback_loop.learning.schemas import FEEDBACK_SCHEMA, INFERENCE_SCHEMA

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
    "attributed_to": None,
    "has_inputs": True,
    "outputs": "[]",
    "action": "a",
    "propensity": None,
    "embedding": None,
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


@pytest.mark.parametrize("name", collect_history())
def test_an_enricher_by_history_adds_its_columns_by_offset(name):
    """Nothing before it is a history too, and the expression has a row for each offset and the promised columns."""
    table = ibis.table(ibis.Schema.from_pyarrow(FEEDBACK_SCHEMA), name="feedback")
    enricher = collect_history()[name]()
    row = dict.fromkeys(FEEDBACK_SCHEMA.names)

    assert set(enricher.enrich(row, [])) == set(enricher.columns)
    assert set(enricher.expression(table, table).columns) == {"log_offset", *enricher.columns}
    assert collect_history()[name].__doc__


@pytest.mark.parametrize("name", collect_by_sample())
@pytest.mark.parametrize("change", [{}, {"inputs": None, "embedding": [1.0, 2.0]}])
def test_an_enricher_by_sample_adds_its_columns_with_a_sample_or_without(name, change):
    """The promised columns and nothing else, in the function and in the expression; without a sample none is known."""
    table = ibis.table(ibis.Schema.from_pyarrow(INFERENCE_SCHEMA), name="inferences")
    enricher = collect_by_sample()[name]()
    sample = sample_of((1, "m", "v1"), 0, [INFERENCE | change] * NEAREST)

    assert set(enricher.enrich(INFERENCE | change, sample)) == set(enricher.columns)
    assert set(enricher.enrich(INFERENCE | change, None).values()) == {None}
    for samples in ([], [sample]):
        assert set(enricher.expression(table, samples).columns) == set(table.columns) | set(enricher.columns)
    assert collect_by_sample()[name].__doc__


@pytest.mark.parametrize("name", collect_judging())
@pytest.mark.parametrize("model", [None, RewardModel({"yes": 1.0}, 50)])
@pytest.mark.parametrize("change", [{}, {"answer_text": "yes"}, {"answer_text": "yes", "inputs": None}])
def test_an_enricher_by_a_reward_model_adds_its_columns(name, model, change):
    """Whatever the answer is, and where the model cannot be read: exactly the promised columns, of ibis's types."""
    enricher = collect_judging()[name]()

    found = enricher.enrich(INFERENCE | change, Judge(1, "m", 0, "r1", model))

    assert list(found) == list(enricher.columns)
    assert all(ibis.dtype(kind) for kind in enricher.columns.values())
    assert collect_judging()[name].__doc__


def test_no_two_enrichers_add_the_same_column():
    """A column has one meaning, and one who says it."""
    every = (collect(), collect_by_sample(), collect_history(), collect_judging())
    columns = [column for found in every for each in found.values() for column in each.columns]

    assert len(columns) == len(set(columns))
