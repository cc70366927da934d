"""Consistency: each rule is one function and one expression with one meaning."""

import json

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback_loop.learning import consistency
from feedback_loop.learning.consistency import BREACHES, Range
from feedback_loop.learning.policies.validation import ValidationPolicy
from feedback_loop.learning.rows import json_text

RANGES = {(1, "tone"): Range(1.0, 5.0), (1, "open"): Range(None, 2.0), (2, "tone"): Range(0.0, None)}
KNOWN = {"answered_label": "string", "answered_text": "string", "given_outputs": "array<string>"}
SCHEMA = {
    "place": "int64",
    "project_id": "int32",
    "feedback_type": "string",
    "metric": "string",
    "label": "string",
    "text": "string",
    "reward": "float64",
    "number": "float64",
    "preferred": "string",
    "rejected": "string",
    "feedback_value": "string",
}


@st.composite
def pairs(draw):
    """A feedback row and the inference it is about, or none: what a client might well get wrong."""
    outputs = st.sampled_from(["A", "B", "C"])
    labels = st.none() | st.sampled_from(['"a"', '"b"', "1"])
    value = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "comment": st.sampled_from(["why", 'say "comment":', '"score":9']),
                "reason_codes": st.just(["x"]),
                "score": st.sampled_from([0, 1, 2.5, 7, -3, 1e-7]),
            },
        )
    )
    preferred = draw(st.none() | outputs)
    feedback = {
        "project_id": draw(st.sampled_from([1, 2])),
        "feedback_type": draw(st.sampled_from(["explicit_binary", "explicit_correction", "explicit_rating"])),
        "metric": draw(st.sampled_from(["tone", "open", "satisfaction"])),
        "label": draw(labels),
        "text": draw(st.none() | st.sampled_from(["x", "y"])),
        "reward": (number := draw(st.none() | st.sampled_from([0.0, 0.25, 1.0, 3.0]))),
        "number": number,
        "preferred": preferred,
        "rejected": draw(st.none() | outputs) if preferred else None,
        "feedback_value": json_text(value),
    }
    inference = {
        "answer_label": draw(labels),
        "answer_text": draw(st.none() | st.sampled_from(["x", "y"])),
        "output_ids": draw(st.lists(outputs, min_size=1, max_size=2, unique=True)),
    }
    return feedback, draw(st.none() | st.just(inference))


@settings(max_examples=25, deadline=None)
@given(st.lists(pairs(), min_size=1, max_size=8))
def test_function_and_expression_agree(given_pairs):
    """Of every rule, on every row, with its inference or without."""
    rows = []
    for place, (feedback, inference) in enumerate(given_pairs):
        known = inference or {"answer_label": None, "answer_text": None, "output_ids": None}
        rows.append(
            {
                "place": place,
                **feedback,
                "answered_label": known["answer_label"],
                "answered_text": known["answer_text"],
                "given_outputs": known["output_ids"],
            }
        )
    table = ibis.memtable(rows, schema=ibis.schema({**SCHEMA, **KNOWN}))
    asked = table.select(
        "place",
        compared=consistency.unknown_outputs_of(table),
        differs=consistency.differences_of(table),
        reasons=consistency.reasons_of(table),
        beyond=consistency.beyond_range_of(table, RANGES),
    )
    found = asked.order_by("place").drop("place").to_pyarrow().to_pylist()

    assert found == [
        {
            "compared": consistency.unknown_outputs(feedback, inference),
            "differs": consistency.differences(feedback, inference),
            "reasons": consistency.reasons(feedback),
            "beyond": consistency.beyond_range(feedback, RANGES),
        }
        for feedback, inference in given_pairs
    ]


def test_every_rule_of_the_policy_can_be_broken():
    """The fields of the policy are the rules there are a function and an expectation for."""
    from expectations.rules import RowRule, collect

    assert set(BREACHES) == set(ValidationPolicy().as_data())
    assert all(issubclass(collect()[name], RowRule) for name in BREACHES)


def rating(score, metric="tone", **value):
    """A rating of project 1 on the scale 1 to 10."""
    given_value = json.dumps({"score": score, **value}, separators=(",", ":"), sort_keys=True)
    reward = round((score - 1) / 9, 6)
    return {
        "project_id": 1, "feedback_type": "explicit_rating", "metric": metric, "number": reward,
        "feedback_value": given_value,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("feedback", "beyond"),
    [(rating(4), 0), (rating(7), 1), (rating(7, comment='"score":4'), 1), (rating(7, "unregistered"), None)],
)
def test_a_rating_lies_within_its_metrics_range(feedback, beyond):
    """Of a metric from 1 to 5 a score of 7 is none, whatever its comment says."""
    assert consistency.beyond_range(feedback, RANGES) == beyond
