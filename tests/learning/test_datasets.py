"""Datasets: whose label is believed, what is held out, and that equal input makes an equal dataset."""

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from feedback_loop.learning.datasets import (
    golden,
    is_golden,
    row_digest,
    training_rows,
)
from feedback_loop.learning.examples import why_not_example
from feedback_loop.learning.rows import feedback_row, inference_row
from feedback_loop.learning.schemas import LABELED_SCHEMA
from tests.learning.worlds import (
    SHARE,
    Prepared,
    answered,
    at,
    engine,
    feedback_table,
    found,
    given,
    inference_table,
    labels_of,
)


def _trained(feedback, inferences):
    return training_rows(labels_of(feedback, inferences), 1, "default", 50)


LABELED, TRAINED = Prepared(labels_of), Prepared(_trained)


def _review(label):
    return {"label": label, "task_id": "t", "annotators": ["p_a"], "method": "majority"}


def _believed(*statements):
    rows = [feedback_row(at(statement, 10 + n)) for n, statement in enumerate(statements)]
    return LABELED(rows, [inference_row(at(answered("a"), 1))])


def test_the_most_trusted_source_is_believed():
    """A reviewer is believed over the truth learnt later, that over a label, that over a correction."""
    said = [
        given("review_label", _review("reviewed"), "f1"),
        given("ground_truth", {"label": "true"}, "f2"),
        given("explicit_label", {"label": "seen"}, "f3"),
        given("explicit_correction", {"corrected_label": "better"}, "f4"),
    ]

    sources = [_believed(*said[first:])[0]["source_type"] for first in range(4)]

    assert sources == ["review_label", "ground_truth", "explicit_label", "explicit_correction"]


def test_within_a_source_the_newest_is_believed():
    """Who labels again has changed their mind; the newest by offset stands."""
    [row] = _believed(given("explicit_label", {"label": "b"}, "f1"), given("explicit_label", {"label": "a"}, "f2"))

    assert (row["label"], row["feedback_offset"], row["correct"]) == ('"a"', 11, True)


@pytest.mark.parametrize(
    "statement",
    [
        given("explicit_label", {"labels": ["a", "b"]}),
        given("explicit_correction", {"corrected_text": "b"}),
        given("explicit_binary", {"positive": True}),
        given("explicit_label", {"label": "b"}, model_version="v2"),
        given("explicit_label", {"label": "b"}, inference_request_id="unknown"),
    ],
)
def test_what_is_no_single_label_is_left_out(statement):
    """Lists, texts, thumbs and feedback that is pending or mismatched make no labelled row."""
    assert _believed(statement) == []


def test_an_undone_label_is_not_believed():
    """A retracted label gives way to the one that still stands."""
    name = "0192f0c1-7c1e-7a50-8a3e-000000000001"
    said = [
        given("explicit_label", {"label": "b"}, "f1"),
        given("explicit_label", {"label": "c"}, name),
        given("retraction", {"retracts": name}, "f3"),
    ]

    assert [row["label"] for row in _believed(*said)] == ['"b"']


def _town(count, **body):
    feedback = [
        feedback_row(at(given("ground_truth", {"label": n % 3}, f"f{n}", inference_request_id=f"r{n}", **body), n))
        for n in range(count, 2 * count)
    ]
    inferences = [inference_row(at(answered(0, f"r{n}", inputs={"x": n}), n - count)) for n in range(count, 2 * count)]
    return feedback, inferences


def test_training_rows_are_the_newest_and_none_is_golden():
    """A recipe takes its newest rows in the order of the log, and leaves the golden holdout alone."""
    rows = TRAINED(*_town(100))

    offsets = [row["feedback_offset"] for row in rows]
    expected = [n for n in range(100, 200) if not is_golden(f"r{n}", SHARE)][-50:]
    assert offsets == expected


def test_the_order_of_the_files_changes_nothing():
    """Rows that arrive in another physical order make the same dataset."""
    feedback, inferences = _town(100)

    assert row_digest(TRAINED(feedback, inferences)) == row_digest(TRAINED(feedback[::-1], inferences[::-1]))


def test_without_consent_nobody_is_learnt_from():
    """A person who does not consent to training is labelled, measured, and not trained on."""
    refused = {"user_context": {"consent": {"training": False}}}
    feedback, inferences = _town(20, **refused)

    assert len(LABELED(feedback, inferences)) == 20
    assert TRAINED(feedback, inferences) == []


def test_the_table_keeps_the_promised_columns():
    """The labelled set has exactly the columns and types of LABELED_SCHEMA."""
    feedback, inferences = _town(20)

    labeled = labels_of(feedback_table(feedback), inference_table(inferences))

    assert engine().to_pyarrow(labeled).schema.equals(LABELED_SCHEMA)


@settings(max_examples=20, deadline=None)
@given_any(names=st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=50), share=st.floats(0, 1))
def test_function_and_expression_hold_out_the_same(names, share):
    """Whether an inference is golden is the same in Python and in the engine, for any name and share."""
    inferences = inference_table(
        inference_row(answered("a")) | {"inference_request_id": name, "log_offset": n} for n, name in enumerate(names)
    )
    column = inferences.select(place=inferences.log_offset, held=golden(inferences.inference_request_id, share))

    held = {row["place"]: row["held"] for row in found(column)}

    assert held == {n: is_golden(name, share) for n, name in enumerate(names)}


def test_the_holdout_has_about_its_share():
    """A share of 20 % holds out about a fifth, 0 nothing and 1 everything; a larger share keeps the smaller's rows."""
    names = [f"request {n}" for n in range(5000)]

    fifth = {name for name in names if is_golden(name, 0.2)}

    assert 900 < len(fifth) < 1100
    assert not any(is_golden(name, 0) for name in names)
    assert all(is_golden(name, 1) for name in names)
    assert fifth <= {name for name in names if is_golden(name, 0.3)}


def test_a_golden_verdict_is_no_example() -> None:
    """Models are judged by it; one that merely says so in its text, or was not marked, is learnt from."""
    row = dict.fromkeys(("reward", "preferred")) | {"state": "attributed", "is_undone": False, "training_consent": True}
    row |= {"feedback_type": "review_label", "label": '"a"', "feedback_value": '{"golden":true,"label":"a"}'}

    assert why_not_example(row) == "it is golden: models are judged by it"
    for value in ('{"label":"a"}', '{"label":"\\"golden\\":true"}'):
        assert why_not_example(row | {"feedback_value": value}) is None
