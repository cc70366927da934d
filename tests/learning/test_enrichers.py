"""Enrichment: what is added from the inference is the same in the function and the expression."""

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from feedback_loop.learning.attribution import attributed
from feedback_loop.learning.enrichers import enrich, enriched
from feedback_loop.learning.rows import feedback_row, inference_row
from feedback_loop.learning.schemas import ENRICHED_SCHEMA
from tests.learning.worlds import Prepared, answered, at, engine, feedback_table, given, inference_table

ENRICHED = Prepared(lambda feedback, inferences: enriched(attributed(feedback, inferences), inferences))

probabilities = st.one_of(st.none(), st.lists(st.one_of(st.just(0.0), st.floats(0, 1)), max_size=12))


@settings(max_examples=40, deadline=None)
@given_any(rows=st.lists(st.tuples(probabilities, st.one_of(st.none(), st.floats(0, 1))), max_size=20))
def test_function_and_expression_agree(rows):
    """Every enricher's values are equal to the last digit, for any probabilities or none."""
    plain = inference_row(answered("a"))
    inferences = [
        plain | {"inference_request_id": f"r{n}", "log_offset": n, "probabilities": p, "confidence": c}
        for n, (p, c) in enumerate(rows)
    ]
    spoken = feedback_row(given("explicit_binary", {"positive": True}))
    feedback = [spoken | {"inference_request_id": f"r{n}", "log_offset": 100 + n} for n in range(len(rows))]

    table = {row["inference_request_id"]: row for row in ENRICHED(feedback, inferences)}

    for inference in inferences:
        expected = enrich(inference)
        row = table[inference["inference_request_id"]]
        assert {name: row[name] for name in expected} == expected


def test_uncertainty_is_what_the_words_say():
    """An even split is least sure: log 2 nats and no margin; a certain answer has no entropy and all the margin."""
    inference = inference_row(answered("a"))

    even = enrich(inference | {"probabilities": [0.5, 0.5]})
    sure = enrich(inference | {"probabilities": [0.0, 1.0, 0.0]})
    alone = enrich(inference | {"probabilities": [1.0]})

    assert (even["entropy"], even["margin"]) == (0.693147, 0.0)
    assert (sure["entropy"], sure["margin"]) == (0.0, 1.0)
    assert (alone["entropy"], alone["margin"]) == (0.0, None)


def test_confidence_is_the_best_that_is_known():
    """The highest probability, else the output's score, else what the record states."""
    sharp = {"output_id": "A", "content": "a", "probabilities": {"a": 0.7, "b": 0.3}, "score": 0.1}
    scored = {"output_id": "A", "content": "a", "score": 0.4}

    assert inference_row(answered("a", outputs=[sharp], confidence=0.2))["confidence"] == 0.7
    assert inference_row(answered("a", outputs=[scored], confidence=0.2))["confidence"] == 0.4
    assert inference_row(answered("a", confidence=0.2))["confidence"] == 0.2
    assert inference_row(answered("a"))["confidence"] is None


def test_pending_feedback_stays_and_knows_nothing():
    """A feedback without its inference keeps its row; the table has the columns of ENRICHED_SCHEMA."""
    feedback = feedback_table([feedback_row(at(given("explicit_binary", {"positive": True}), 1))])
    nobody = inference_table([])

    table = engine().to_pyarrow(enriched(attributed(feedback, nobody), nobody))

    assert table.schema.equals(ENRICHED_SCHEMA)
    assert table.select(["inputs", "entropy", "confidence"]).to_pylist() == [
        {"inputs": None, "entropy": None, "confidence": None}
    ]


@pytest.mark.parametrize("chosen", [{"chosen_output_id": "B"}, {}])
def test_the_chosen_output_is_the_answer(chosen):
    """Of several outputs the chosen one was answered, else the best ranked."""
    outputs = [
        {"output_id": "A", "content": "a", "rank": 2},
        {"output_id": "B", "content": "b", "rank": 1},
        {"output_id": "C", "content": "c"},
    ]

    row = inference_row(answered("a", outputs=outputs, **chosen))

    assert (row["answer_label"], row["output_ids"]) == ('"b"', ["A", "B", "C"])
