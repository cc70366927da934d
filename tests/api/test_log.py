"""The log over HTTP: where a reader may start, what a page is, waiting for the next event, streaming, and consumers."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import Session

from api import log
from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from feedback_ingest.tables import Project
from tests.api.conftest import PEPPER, Client, wait_until_ready
from tests.api.streams import OpenStream
from tests.ports import free_port

MakeKey = Callable[..., str]


@pytest.fixture(scope="module")
def key(make_key: MakeKey) -> str:
    """A key that sends and reads."""
    return make_key("ingest", "read")


@pytest.fixture(scope="module")
def stranger(database: Database) -> str:
    """A key of another project."""
    with Session(database.engine) as session:
        session.add(Project(name="elsewhere"))
        session.flush()
        made = keys.create(session, "elsewhere", ["ingest", "read"], utc_now()).key
        session.commit()
    return made


def post(client: Client, key: str, count: int = 1, **fields: Any) -> list[int]:
    """Stores events; their offsets."""
    event = {"model_version": "m", "feedback_type": "explicit_binary", "feedback_value": {"positive": True}}
    events = [{**event, "inference_request_id": f"r-{uuid.uuid4()}", **fields} for _ in range(count)]
    return [one["offset"] for one in client.post("/v1/feedback/batch", key, {"events": events}).json()["results"]]


def read(client: Client, key: str, query: str) -> list[int]:
    """The offsets of a page."""
    return [event["offset"] for event in client.get(f"/v1/log?{query}", key).json()["events"]]


def test_a_reader_starts_where_it_says(client: Client, key: str) -> None:
    """At an offset (inclusive), a time, so long ago, the beginning, the end; page after page without a gap."""
    before = utc_now().isoformat().replace("+00:00", "Z")
    places = post(client, key, 7)

    page = client.get(f"/v1/log?from=offset:{places[0]}&limit=3", key).json()
    rest = client.get(f"/v1/log?from=offset:{page['next_offset']}&limit=1000", key).json()

    assert [event["offset"] for event in (*page["events"], *rest["events"])] == places
    assert rest["next_offset"] == rest["head"] + 1 == places[-1] + 1
    assert read(client, key, f"from=ts:{before}") == read(client, key, "limit=1000")[-7:] == places
    assert read(client, key, "from=last:1h&limit=1000") == read(client, key, "limit=1000")
    assert read(client, key, "from=latest") == []
    assert read(client, key, f"from=offset:{10**17}") == []


def test_an_event_is_shown_as_it_was_sent(client: Client, key: str) -> None:
    """With its kind, its name, its times, and the client's fields unchanged."""
    [place] = post(client, key, tags={"order": "7"}, rationale="ünïcode \u2028")

    [event] = client.get(f"/v1/log?from=offset:{place}", key).json()["events"]

    shown = client.get(f"/v1/feedback/{event['id']}", key).json()
    assert event["kind"] == "feedback" and event["received_at"] == shown["received_at"]
    assert event["body"] == {name: shown[name] for name in event["body"]}
    assert event["body"]["rationale"] == "ünïcode \u2028"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("from=yesterday", "/from"),
        ("from=offset:-1", "/from"),
        ("from=ts:2026", "/from"),
        ("from=last:99999999999d", "/from"),
        ("from=consumer:nobody", "/from"),
        ("limit=0", "/limit"),
        ("limit=1001", "/limit"),
        ("wait_ms=60001", "/wait_ms"),
        ("kinds=a%00b", "/kinds"),
    ],
)
def test_what_cannot_be_read_is_named(client: Client, key: str, query: str, pointer: str) -> None:
    """A start that says nothing, too much at once: 422, with the parameter; a stream says so before it begins."""
    refused = client.get(f"/v1/log?{query}", key)

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
    if pointer in ("/from", "/kinds"):
        assert client.get(f"/v1/log/stream?{query}", key).json()["errors"][0]["pointer"] == pointer


def test_kinds(client: Client, key: str, make_key: MakeKey) -> None:
    """Feedback and inferences by default, others by name; decisions of people with the scope admin alone."""
    [place] = post(client, key)
    record = {"inference_request_id": "i-1", "model_version": "m", "outputs": [{"output_id": "A", "content": 1}]}
    inference = client.post("/v1/inferences", key, record).json()["offset"]

    assert read(client, key, f"from=offset:{place}") == [place, inference]
    assert read(client, key, f"from=offset:{place}&kinds=inference") == [inference]
    assert read(client, key, f"from=offset:{place}&kinds=inference&kinds=feedback") == [place, inference]
    assert client.get("/v1/log?kinds=credential_created", key).status_code == 403
    assert client.get("/v1/log?kinds=credential_created", make_key("admin")).status_code == 200


def test_a_project_reads_its_own_events(client: Client, key: str, stranger: str) -> None:
    """Between them are only gaps; consumers of one name are each project's own."""
    [first], [other], [second] = post(client, key), post(client, stranger), post(client, key)
    client.put("/v1/consumers/shared-name", key, {"offset": first})
    client.put("/v1/consumers/shared-name", stranger, {"offset": other})

    assert read(client, key, f"from=offset:{first}") == [first, second]
    assert read(client, stranger, f"from=offset:{first}") == [other]
    assert client.get("/v1/consumers/shared-name", key).json()["offset"] == first
    assert client.delete("/v1/consumers/shared-name", key).status_code == 204
    assert client.get("/v1/consumers/shared-name", stranger).json()["offset"] == other


def test_a_page_is_bounded_in_bytes(client: Client, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with the event that fills it, and the next one goes on: large events cost no more memory than small."""
    monkeypatch.setattr(log, "PAGE_BYTES", 25_000)
    places = post(client, key, 5, rationale="x" * 9_000)

    page = client.get(f"/v1/log?from=offset:{places[0]}", key).json()

    assert [event["offset"] for event in page["events"]] == places[:3]
    assert page["next_offset"] == places[2] + 1


def test_a_poll_waits_for_the_next_event(client: Client, key: str, stranger: str) -> None:
    """It is answered when an event is there, not before, and other projects' do not answer it; else empty, in time."""
    end = client.get("/v1/log?from=latest", key).json()["next_offset"]
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(client.get, f"/v1/log?from=offset:{end}&wait_ms=20000", key)
        post(client, stranger)
        with pytest.raises(TimeoutError):
            waiting.result(0.2)
        places = post(client, key, 2)
        answer = waiting.result(10).json()

    assert [event["offset"] for event in answer["events"]] == places
    began = time.monotonic()
    assert client.get("/v1/log?from=latest&wait_ms=100", key).json()["events"] == []
    assert time.monotonic() - began >= 0.1


def test_a_stream_resumes_behind_the_last_event(client: Client, key: str) -> None:
    """From where it is told, then on with what comes; Last-Event-ID counts more than the address."""
    places = post(client, key, 150)
    with OpenStream(client, f"/v1/log/stream?from=offset:{places[0]}", key) as stream:
        seen = [json.loads((stream.next() or {})["data"])["offset"] for _ in places]
        places += post(client, key)
        seen.append(int((stream.next() or {})["id"]))
    places += post(client, key)
    with OpenStream(client, "/v1/log/stream?from=earliest", key, last_event_id=str(seen[-1])) as stream:
        seen.append(int((stream.next() or {})["id"]))

    assert seen == places


def test_a_consumer_keeps_its_place(client: Client, key: str) -> None:
    """Made by its first commit, read on from by its name, with its lag; forgotten when it is deleted."""
    places = post(client, key, 5)
    made = client.put("/v1/consumers/trainer", key, {"offset": places[1]})

    assert made.status_code == 201
    assert read(client, key, "from=consumer:trainer") == places[2:]
    assert made.json()["lag"] == 3 and made.json()["next_offset"] == places[2]
    assert client.put("/v1/consumers/trainer", key, {"offset": places[4]}).json()["lag"] == 0
    assert [one["name"] for one in client.get("/v1/consumers", key).json()["consumers"]] == ["trainer"]
    assert client.delete("/v1/consumers/trainer", key).status_code == 204
    assert client.get("/v1/consumers/trainer", key).status_code == 404
    assert client.delete("/v1/consumers/trainer", key).status_code == 404


def test_two_readers_cannot_move_a_consumer_back_unnoticed(client: Client, key: str) -> None:
    """Back is refused without `expected`, and with it where the other one was first."""
    places = post(client, key, 5)
    url = "/v1/consumers/pair"
    client.put(url, key, {"offset": places[3], "expected": 0})

    def told(body: dict[str, Any]) -> Any:
        answer = client.put(url, key, body)
        return answer.json()["offset"] if answer.status_code == 200 else answer.json()["errors"][0]

    assert told({"offset": places[1]}) == {"pointer": "/offset", "code": "behind"}
    assert told({"offset": places[1], "expected": places[2]}) == {"pointer": "/expected", "code": "not-current"}
    assert told({"offset": places[4], "expected": 0}) == {"pointer": "/expected", "code": "not-current"}
    assert told({"offset": places[3]}) == places[3]
    assert told({"offset": places[1], "expected": places[3]}) == places[1]
    assert told({"from": "latest", "expected": places[1]}) == places[4]
    assert told({"from": "earliest", "expected": places[4]}) == 0
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(told, [{"offset": place, "expected": 0} for place in places[:2]]))
    assert {"pointer": "/expected", "code": "not-current"} in both
    assert set(map(str, both)) & {str(places[0]), str(places[1])}


@pytest.mark.parametrize(
    ("name", "body", "pointer"),
    [
        ("Bad", {"offset": 0}, "/name"),
        ("x" * 65, {"offset": 0}, "/name"),
        ("ahead", {"offset": 2**50}, "/offset"),
        ("ahead", {"offset": -1}, "/offset"),
        ("ahead", {"offset": "1"}, "/offset"),
        ("ahead", {}, "/offset"),
        ("ahead", {"offset": 1, "from": "latest"}, "/offset"),
        ("ahead", {"from": "soon"}, "/from"),
        ("ahead", {"offset": 0, "expected": 7}, "/expected"),
        ("ahead", {"offset": 0, "epoch": 7}, "/epoch"),
    ],
)
def test_a_place_that_is_none_is_named(client: Client, key: str, name: str, body: Any, pointer: str) -> None:
    """Nothing is stored, and the field is told."""
    refused = client.put(f"/v1/consumers/{name}", key, body)

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
    assert client.get(f"/v1/consumers/{name}", key).status_code == 404


def test_a_server_with_an_open_stream_ends_at_once(database: Database, key: str, tmp_path: Path) -> None:
    """A server waits for open answers before it ends the app; after ten seconds it kills what was not yet drained."""
    port = free_port()
    settings = {"FEEDBACK_DATABASE_URL": database.url, "FEEDBACK_DATA_DIR": str(tmp_path), "FEEDBACK_PEPPER": PEPPER}
    command = [sys.executable, "-m", "feedback_cli", "api", "--port", str(port)]
    with (tmp_path / "log").open("wb") as out:
        server = subprocess.Popen(command, env=os.environ | settings | {"FEEDBACK_GRPC": "false"}, stdout=out)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", server, tmp_path / "log")
        url, headers = f"http://127.0.0.1:{port}/v1/log/stream?from=latest", {"Authorization": f"Bearer {key}"}
        with httpx.stream("GET", url, headers=headers, timeout=30, trust_env=False) as answer:
            lines = answer.iter_lines()
            first = next(lines)
            server.terminate()
            rest = list(lines)
        code = server.wait(8)
    finally:
        server.kill()

    assert first == "retry: 1000"
    assert [line for line in rest if line.startswith("data")] == []
    assert code == 0
