"""Rows: what an event's JSON says, read in one place."""

from datetime import timedelta

import pyarrow as pa
import pytest

from feedback_ingest.feedback_types import collect
from feedback_ingest.log import LogRow
from feedback_loop.learning.errors import UnreadableRow
from feedback_loop.learning.rows import FEEDBACK_SCHEMA, INFERENCE_SCHEMA, feedback_row, inference_row
from tests.learning.worlds import NOON, given

ONE_ID = "0192f0c1-7c1e-7a50-8a3e-000000000001"


@pytest.mark.parametrize("name", sorted(collect()))
def test_every_feedback_type_fits_the_schema(name):
    """Each example of each type becomes a row with exactly the columns of FEEDBACK_SCHEMA, null where it may be."""
    rows = [feedback_row(given(name, example)) for example in collect()[name].examples]

    table = pa.Table.from_pylist(rows, schema=FEEDBACK_SCHEMA)

    assert all(list(row) == FEEDBACK_SCHEMA.names for row in rows)
    table.validate(full=True)


def test_an_inference_fits_the_schema():
    """An inference, with as little in it as the door lets pass, has exactly the columns of INFERENCE_SCHEMA."""
    row = inference_row(LogRow(1, 1, "inference", "r1", NOON, NOON, {"model_version": "v1", "outputs": []}))

    assert list(row) == INFERENCE_SCHEMA.names
    pa.Table.from_pylist([row], schema=INFERENCE_SCHEMA).validate(full=True)


def test_other_facts_are_no_rows():
    """A decision in the log is neither feedback nor an inference."""
    fact = LogRow(1, 1, "model_promoted", "x", NOON, NOON, {})

    assert feedback_row(fact) is None
    assert inference_row(fact) is None


def test_the_envelope_is_read_as_the_contract_says():
    """People, segments, consent, source and sampling stand in columns; labels keep their type as JSON text."""
    context = {"user_id": "p_ann", "session_id": "s1", "user_tier": "pro", "segments": {"region": "eu"}}
    row = feedback_row(
        given(
            "explicit_label",
            {"label": "3"},
            user_context=context | {"consent": {"training": False}, "theme": "dark"},
            source={"kind": "reviewer", "id": "x"},
            pass_probability=0.25,
            supersedes=ONE_ID.upper(),
        )
    )

    assert (row["user_ref"], row["session_id"], row["source_kind"]) == ("p_ann", "s1", "reviewer")
    assert row["segments"] == '{"region":"eu","user_tier":"pro"}'
    assert (row["training_consent"], row["pass_probability"]) == (False, 0.25)
    assert (row["label"], row["metric"]) == ('"3"', "accuracy")
    assert (row["target_feedback_id"], row["is_retraction"]) == (ONE_ID, False)


def test_defaults_are_the_contracts():
    """Without an envelope's extras: an end user, consent, no sampling, no target."""
    row = feedback_row(given("explicit_binary", {"positive": True}))

    assert (row["source_kind"], row["training_consent"], row["pass_probability"]) == ("end_user", True, 1.0)
    assert (row["user_ref"], row["segments"], row["target_feedback_id"], row["model_name"]) == (None,) * 4


def test_a_time_ahead_is_clamped_and_flagged():
    """What is said to have happened after its receipt happened at its receipt, and is flagged."""
    sent = (NOON + timedelta(hours=2)).isoformat()
    ahead = given("explicit_binary", {"positive": True}, occurred_at=sent)
    unclamped = LogRow(1, 1, "feedback", "f1", NOON + timedelta(hours=2), NOON, ahead.body)

    for row in (feedback_row(ahead), feedback_row(unclamped)):
        assert (row["occurred_at"], row["clock_skew"]) == (NOON, True)
    assert (
        feedback_row(given("explicit_binary", {"positive": True}, occurred_at=NOON.isoformat()))["clock_skew"] is False
    )


def test_a_reward_has_six_places():
    """Rewards are rounded once, half to even, so that decimals made of them are exact."""
    rating = {"score": 2, "scale_min": 0, "scale_max": 3}

    assert feedback_row(given("explicit_rating", rating))["reward"] == 0.666667


@pytest.mark.parametrize(("name", "value"), [("explicit_binary", {"positive": "yes"}), ("of_a_plugin", {})])
def test_what_cannot_be_read_says_so(name, value):
    """A type that is gone or changed its shape is an error with a name, not a guess."""
    with pytest.raises(UnreadableRow):
        feedback_row(given(name, value))
