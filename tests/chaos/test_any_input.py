"""What tests/api/test_corpus.py promises of odd and of any input can fail (failure tests 37 and 38)."""

import json
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlmodel import Session

from feedback_assets.exporting import Export, Span
from feedback_assets.lake import Lake
from feedback_ingest import receive
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from tests.api.conftest import Client
from tests.api.test_corpus import CASES, fresh
from tests.chaos.doors import key_for

DAY = timedelta(days=1)
HARD: list[Any] = [float("nan"), float("inf"), "\ud800", "\0", 2**53, 1e308, -0.0, {"\0": 1}, "\u202e", [[[]]] * 3]


def altered(client: Client, key: str, database: Database, folder: Path) -> set[str]:
    """Odd but legal cases that are not as they were sent when they are read back, or in the Parquet file of the log."""
    cases = [case for case in CASES if case["status"] == 201 and case["kind"] == "feedback"]
    events = {case["name"]: fresh(case) for case in cases}
    for event in events.values():
        client.post("/v1/feedback", key, event)
    exported = in_parquet(database, folder)
    found = set()
    for name, event in events.items():
        told = client.get(f"/v1/feedback/{event['feedback_id']}", key).json()
        row = exported.get(event["feedback_id"].lower(), {})
        if any(told.get(field) != event[field] for field in event.keys() - {"user_context", "feedback_id"}):
            found.add(name)
        if any(row.get(field) != event[field] for field in ("inference_request_id", "model_version")):
            found.add(name)
        # Parquet has the newest shape of a type: what was sent is in it, beside what an older shape did not say.
        if "schema_version" not in event and not is_within(event["feedback_value"], row.get("feedback_value")):
            found.add(name)
    return found


def is_within(sent: dict[str, Any], kept: dict[str, Any] | None) -> bool:
    """Whether every member that was sent is kept as it was."""
    return kept is not None and all(kept.get(name) == value for name, value in sent.items())


def in_parquet(database: Database, folder: Path) -> dict[str, dict[str, Any]]:
    """The log's feedback as its Parquet file has it, by id."""
    now = utc_now()
    export = Export(partial(Session, database.engine), "feedback", Span(now - DAY, now + DAY, 10**9))
    lake = Lake(folder)
    lake.write(export.reader(), "feedback")
    rows = pq.read_table(lake.path("feedback")).to_pylist()
    return {row["feedback_id"]: row | {"feedback_value": json.loads(row["feedback_value"])} for row in rows}


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
def test_an_altered_text_is_noticed(
    database: Database, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every odd case is as it was sent, read back and in Parquet; a door that escapes text is found."""
    key = key_for(database, "ingest", "read")
    assert altered(client, key, database, tmp_path / "a") == set()

    honest = receive.canonical_json
    monkeypatch.setattr(receive, "canonical_json", lambda value: honest(value).replace(b"<", b"&lt;"))
    assert altered(client, key, database, tmp_path / "b")


@pytest.mark.chaos
def test_a_lenient_reader_is_noticed(database: Database, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hard values are refused or read back equal; Python's own JSON in place of the strict one is found."""
    key = key_for(database, "ingest", "read")
    assert mishandled(client, key) == []

    monkeypatch.setattr(receive, "parse", json.loads)
    monkeypatch.setattr(receive, "walk", lambda *_: [])
    monkeypatch.setattr(receive, "refuse_duplicate_names", lambda *_: None)
    assert mishandled(client, key) != []
