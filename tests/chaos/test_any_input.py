"""What tests/api/test_corpus.py promises of odd and of any input can fail (failure tests 37 and 38)."""

import json
import unicodedata
from typing import Any

import pytest

from feedback_ingest import receive
from feedback_ingest.postgres import Database
from tests.api.conftest import Client
from tests.api.test_corpus import CASES, fresh
from tests.chaos.doors import key_for

HARD: list[Any] = [float("nan"), float("inf"), "\ud800", "\0", 2**53, 1e308, -0.0, {"\0": 1}, "\u202e", [[[]]] * 3]


def altered(client: Client, key: str) -> list[str]:
    """Odd but legal cases whose text is not what was sent when it is read back."""
    found = []
    for case in CASES:
        if case["status"] == 201 and case["kind"] == "feedback":
            event = fresh(case)
            answer = client.post("/v1/feedback", key, event)
            stored = client.get(f"/v1/feedback/{event['feedback_id']}", key).json() if answer.status_code == 201 else {}
            if any(stored.get(name) != event[name] for name in event.keys() - {"user_context"}):
                found.append(case["name"])
    return found


def mishandled(client: Client, key: str) -> list[Any]:
    """Values that are neither refused with a 4xx nor read back equal."""
    found = []
    for value in HARD:
        event = {
            "inference_request_id": "any",
            "model_version": "m-1",
            "feedback_type": "explicit_correction",
            "feedback_value": {"corrected_output": {"any": value}},
        }
        answer = client.post("/v1/feedback", key, json.dumps(event).encode())
        if answer.status_code == 201:
            stored = client.get(f"/v1/feedback/{answer.json()['feedback_id']}", key).json()
            if stored.get("feedback_value") != event["feedback_value"]:
                found.append(value)
        elif not 400 <= answer.status_code < 500:
            found.append(value)
    return found


@pytest.mark.chaos
def test_an_altered_text_is_noticed(database: Database, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every odd case is read back as it was sent; a door that normalises text, the bug planted, is found."""
    key = key_for(database, "ingest", "read")
    assert altered(client, key) == []

    honest = receive.canonical_json
    monkeypatch.setattr(
        receive, "canonical_json", lambda value: unicodedata.normalize("NFKC", honest(value).decode()).encode()
    )
    assert altered(client, key) != []


@pytest.mark.chaos
def test_a_lenient_reader_is_noticed(database: Database, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hard values are refused or read back equal; Python's own JSON in place of the strict one is found."""
    key = key_for(database, "ingest", "read")
    assert mishandled(client, key) == []

    monkeypatch.setattr(receive, "parse", json.loads)
    monkeypatch.setattr(receive, "walk", lambda *_: [])
    monkeypatch.setattr(receive, "refuse_duplicate_names", lambda *_: None)
    assert mishandled(client, key) != []
