"""Flattening: many rows at once are what each of them is by itself, however odd, and few of them are read for it."""

import json
from datetime import timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st

from feedback_ingest.envelopes import Feedback
from feedback_ingest.feedback_types import collect
from feedback_ingest.log import row_of
from feedback_loop.learning import flattening
from feedback_loop.learning.errors import UnreadableRow
from feedback_loop.learning.flattening import Body, flat_feedback
from feedback_loop.learning.rows import FEEDBACK_SCHEMA, SEGMENT_NAMES, feedback_row
from tests.learning.worlds import NOON

VALUES = [
    (name, value) for name, kind in collect().items() for value in (*kind.examples, *kind.counter_examples)
]  # fmt: skip
VALUES += [("explicit_rating", {"score": n / 7, "scale_min": 0}) for n in range(7)] + [("of_a_plugin", {})]
UUID = "0192F0C1-7c1e-7a50-8a3e-000000000001"
USUAL: dict[str, list[Any]] = {
    "inference_request_id": ["r1", "r2"],
    "model_name": ["m", "n"],
    "model_version": ["v1", "v2"],
    "schema_version": ["1.0", "1.1", "1.7"],
    "metric": ["accuracy", "seen"],
    "source": [{"kind": "reviewer"}, {"kind": "reviewer", "id": "x"}, {}],
    "supersedes": [UUID, UUID.lower(), ""],
    "pass_probability": [1, 1.0, 0.25],
    "episode_id": ["e1", None],
    "step": [0, 3, -(2**53)],
    "tags": [{"b": "1", "a": "ü\u2028"}, {"a": "ü\u2028", "b": "1"}, {"b": "1"}, {}, None],
    "occurred_at": ["2026-03-01T11:00:00Z", "2026-03-01T14:00:00.25+02:00", "2026-03-01T13:00:00Z", "?"],
    **{name: ["p", 7] for name in ("sent_at", "feedback_id", "traceparent", "rationale", "target", "metadata")},
    "confidence": [0.5, 1],
}
CONTEXT: dict[str, list[Any]] = {
    "user_id": ["p_1", "p_2", None],
    "session_id": ["s1", 's\u0000"', ""],
    "consent": [{"training": False}, {"training": True}, {}],
    "segments": [{"region": "eu"}, {"region": "us", "app": "x"}, {}],
    "theme": ["dark", {"user_id": "p_9"}],
    **{name: ["1", 1, 1.0, True, None] for name in SEGMENT_NAMES},
}
ODD = [None, True, 1, -0.0, 1e300, 2**53 + 1, 2**63, 10**30, "", "\ud83d\ude00", [], ["a"], {}, {"kind": 1}]
RAISED = (TypeError, ValueError, KeyError, AttributeError, ArithmeticError)


MEMBERS = [((name,), values) for name, values in USUAL.items()]
MEMBERS += [(("user_context", name), values) for name, values in CONTEXT.items()]
OWN = [(path, values) for path, values in MEMBERS if path[-1] in ("inference_request_id", "session_id", "step")]
LABELLED = {"feedback_type": "ground_truth", "feedback_value": {"label": "a"}}
VARIED = [
    *MEMBERS,
    (("feedback_type",), ["ground_truth", "explicit_label", "explicit_comment"]),
    (
        ("feedback_value",),
        [{"label": "a"}, {"label": "b"}, {"label": 1}, {"label": True}, {"value": 1}, {"value": 2.5}],
    ),
]


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """A few rows of the log with their bodies as text, alike but for one member and some names; now and then odd."""
    base: dict[str, Any] = {"inference_request_id": "r1", "model_version": "v1", **LABELLED}
    varied, choices = draw(st.sampled_from(VARIED))
    if not varied[0].startswith("feedback_"):
        base["feedback_type"], base["feedback_value"] = draw(st.sampled_from(VALUES))
    for path, values in draw(st.lists(st.sampled_from(MEMBERS), max_size=3)):
        base = put(base, path, draw(st.sampled_from(values)))
    rows = []
    for offset in range(1, draw(st.integers(2, 6)) + 1):
        body = put(base, varied, draw(st.sampled_from(choices))) if draw(st.booleans()) else base
        for path, values in draw(st.lists(st.sampled_from(OWN), max_size=2)):
            body = put(body, path, draw(st.sampled_from(values)))
        match draw(st.integers(0, 30)):
            case 0:
                body = put(body, draw(st.sampled_from(MEMBERS))[0], draw(st.sampled_from(ODD)))
            case 1:
                body = body | {"unknown": 1}
            case 2:
                body = body | {draw(st.sampled_from(["user_context", "feedback_value"])): draw(st.sampled_from(ODD))}
        text = json.dumps(body) if draw(st.booleans()) else json.dumps(body, sort_keys=True, separators=(",", ":"))
        occurred_at = NOON + timedelta(seconds=draw(st.sampled_from([-1.5, 0, 1])))
        rows.append((offset, draw(st.integers(1, 2)), "feedback", f"f{offset}", occurred_at, NOON, text))
    return rows


def put(body: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The body with another value at a path."""
    name, *rest = path
    return body | {name: put(body.get(name, {}), tuple(rest), value) if rest else value}


def by_itself(logged: list[tuple[Any, ...]]) -> tuple[pa.RecordBatch, list[int]]:
    """What `feedback_row` says of each row."""
    flat, unreadable = [], []
    for row in logged:
        try:
            flat.append(feedback_row(row_of(row)))
        except UnreadableRow:
            unreadable.append(row[0])
    return pa.RecordBatch.from_pylist(flat, FEEDBACK_SCHEMA), unreadable


@settings(max_examples=150, deadline=None)
@given_any(logs())
def test_many_rows_are_what_each_is_by_itself(logged: list[tuple[Any, ...]]) -> None:
    """The same table and the same rows left out; where a row stops the one, it stops the other."""
    try:
        table, unreadable = by_itself(logged)
    except RAISED:
        with pytest.raises(RAISED):
            flat_feedback(logged)
        return

    flat = flat_feedback(logged)

    assert flat.unreadable == unreadable
    assert flat.batch.to_pylist() == table.to_pylist()
    assert flat.batch.equals(table)


@pytest.mark.parametrize(
    ("path", "values"), VARIED, ids=lambda found: ".".join(found) if isinstance(found, tuple) else ""
)
def test_rows_that_differ_in_one_member_are_told_apart(path: tuple[str, ...], values: list[Any]) -> None:
    """Whichever member it is, and whether it is there at all."""
    base = {"inference_request_id": "r1", "model_version": "v1", **LABELLED}
    texts = [json.dumps(body) for body in (base, *(put(base, path, value) for value in values))]
    logged = [(n, 1, "feedback", "f", NOON - timedelta(1), NOON, text) for n, text in enumerate(texts)]

    flat = flat_feedback(logged)

    assert (flat.batch.to_pylist(), flat.unreadable) == (by_itself(logged)[0].to_pylist(), by_itself(logged)[1])


def test_rows_that_differ_in_names_only_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with every member that the contract knows; one of another shape is read whole, and so is a time ahead."""
    read = []
    monkeypatch.setattr(flattening, "feedback_row", lambda row: read.append(row.log_offset) or feedback_row(row))
    full = {name: values[0] for name, values in USUAL.items()} | {"feedback_type": "ground_truth"}
    full["feedback_value"] = {"label": "a"}
    bodies = [full | {"inference_request_id": f"r{n}", "user_context": {"session_id": f"s{n}"}} for n in range(5)]
    bodies[3] |= {"step": 1.5}
    bodies[4] |= {"unknown": 1}
    early, late = NOON - timedelta(1), NOON
    times = [early, late, early, early, early]
    texts = map(json.dumps, bodies)
    flat_feedback([(n, 1, "feedback", "f", times[n], NOON, text) for n, text in enumerate(texts)])

    assert set(read) == {0, 1, 3, 4}


def test_every_member_of_the_contract_is_known() -> None:
    """A body that holds all of them can still be cut."""
    assert {field.encode_name for field in msgspec.structs.fields(Body)} == {
        field.encode_name for field in msgspec.structs.fields(Feedback)
    }
