"""Our own corpus of odd and bad events, through every way in; and any JSON at all in the free parts of an event.

`FEEDBACK_TEST_EXAMPLES` sets how many values Hypothesis makes.
"""

import json
import os
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.clock import utc_now
from tests.api.conftest import Client

CASES = json.loads((Path(__file__).parent / "corpus" / "cases.json").read_text(encoding="utf-8"))
EXAMPLES = int(os.environ.get("FEEDBACK_TEST_EXAMPLES", "200"))
ID = {"feedback": "feedback_id", "inferences": "inference_request_id"}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(st.characters()), inner, max_size=5),
    max_leaves=30,
)


@pytest.fixture(scope="module")
def key(make_key: Callable[..., str]) -> str:
    """A server's key that may also read."""
    return make_key("ingest", "read")


def fresh(case: dict[str, Any]) -> dict[str, Any]:
    """The case's event, with a name and a time of this run where those are not what the case is about."""
    event = dict(case["event"])
    if case["kind"] == "inferences":
        return event | {"inference_request_id": f"c-{uuid.uuid4()}"}
    if case["status"] == 201:
        event["feedback_id"] = str(uuid.uuid4())
    if case["status"] == 201 and "occurred_at" in event:
        day = (utc_now() - timedelta(days=3)).date().isoformat()
        event["occurred_at"] = day + event["occurred_at"][10:]
    return event


def told(answer: dict[str, Any]) -> list[tuple[str | None, str]]:
    """What an answer says is wrong."""
    return [(fault["pointer"], fault["code"]) for fault in answer["errors"]]


def expected(case: dict[str, Any], faults: list[tuple[str | None, str]]) -> bool:
    """Whether one of the faults is the case's; a pointer that would show the value is left open."""
    return any(code == case["fault"] and case.get("pointer", where) == where for where, code in faults)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_each_case_is_answered_as_it_says(client: Client, key: str, case: dict[str, Any]) -> None:
    """Stored and read back equal, or refused at the field with the code that names the remedy."""
    event = fresh(case)

    answer = client.post(f"/v1/{case['kind']}", key, event)

    assert answer.status_code == case["status"], answer.text
    if case["status"] == 201:
        stored = client.get(f"/v1/{case['kind']}/{answer.json()[ID[case['kind']]]}", key).json()
        free = event.keys() - {"user_context"}
        assert {name: stored[name] for name in free} == {name: event[name] for name in free}
    else:
        assert expected(case, told(answer.json()))


@pytest.mark.parametrize("kind", ID)
@pytest.mark.parametrize("media", ["application/json", "application/x-ndjson"])
def test_the_whole_corpus_is_one_batch(client: Client, key: str, kind: str, media: str) -> None:
    """In a batch, as JSON and as NDJSON, each case has the answer it has alone, in its place."""
    cases = [case for case in CASES if case["kind"] == kind]
    events = [fresh(case) for case in cases]
    body: Any = {"events": events}
    if media != "application/json":
        body = b"\n".join(json.dumps(event).encode() for event in events)

    answer = client.post(f"/v1/{kind}/batch", key, body, **{"Content-Type": media})

    results = answer.json()["results"]
    assert answer.status_code == 207
    assert [one["status"] for one in results] == ["accepted" if case["status"] == 201 else "refused" for case in cases]
    assert all(expected(case, told(one)) for case, one in zip(cases, results, strict=True) if case["status"] != 201)
    assert sum(answer.json()["counts"].values()) == len(cases)


@pytest.mark.parametrize("kind", ID)
def test_the_whole_corpus_is_no_atomic_batch(client: Client, key: str, kind: str, session: Session) -> None:
    """One bad event is enough: nothing of it is stored. The good ones alone are."""
    cases = [case for case in CASES if case["kind"] == kind]
    count = "SELECT count(*) FROM staging.feedback_events"
    session.rollback()
    before = session.execute(text(count)).scalar_one()

    refused = client.post(f"/v1/{kind}/batch?atomic=true", key, {"events": [fresh(case) for case in cases]})
    session.rollback()
    between = session.execute(text(count)).scalar_one()
    good = [fresh(case) for case in cases if case["status"] == 201]
    stored = client.post(f"/v1/{kind}/batch?atomic=true", key, {"events": good})

    assert (refused.status_code, between) == (422, before)
    assert (stored.status_code, stored.json()["counts"]["accepted"]) == (201, len(good))


@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(value=JSON_VALUES, context=st.dictionaries(st.text(st.characters()), JSON_VALUES, max_size=4))
def test_any_json_is_stored_as_it_is_or_refused(client: Client, key: str, value: Any, context: dict[str, Any]) -> None:
    """Anything JSON can write, in a feedback_value and a user_context: 201 and read back equal, or a 4xx; never 5xx."""
    event = {
        "inference_request_id": "any",
        "model_version": "m-1",
        "feedback_type": "explicit_correction",
        "feedback_value": {"corrected_output": {"any": value}},
        "user_context": context,
    }
    raw = json.dumps(event).encode()  # NaN and lone surrogates included: they are sent, and refused

    answer = client.post("/v1/feedback", key, raw)

    assert answer.status_code == 201 or 400 <= answer.status_code < 500
    if answer.status_code == 201:
        stored = client.get(f"/v1/feedback/{answer.json()['feedback_id']}", key).json()
        assert stored["feedback_value"] == event["feedback_value"]
        assert {name: stored["user_context"][name] for name in context if name != "user_id"} == {
            name: said for name, said in context.items() if name != "user_id"
        }
