"""GET /v1/status and its stream: what came in, how far the stream is, what waits; of the key's own project."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_ingest.tables import Project
from feedback_loop.stream.overview import Overview
from feedback_loop.stream.process import catch_up
from tests.api.conftest import PEPPER, Client
from tests.api.streams import OpenStream
from tests.api.test_sessions import NAME, sign_in
from tests.stream.events import append, inference, truth, wipe

MakeKey = Callable[..., str]
PEPPERED = Pepper(PEPPER.encode())


@pytest.fixture
def empty(database: Database) -> Iterator[Database]:
    """The module's database with an empty log."""
    wipe(database)
    yield database


def seen(database: Database, project_id: int = 1) -> dict[str, Any]:
    """One look, by somebody who never looked before."""
    with Session(database.engine) as session:
        return Overview(project_id).look(session, utc_now())


def decision(kind: str, project_id: int = 1, **body: Any) -> Fact:
    """A decision about a model."""
    return Fact(project_id, kind, str(uuid.uuid4()), {"model_name": "digits", **body}, utc_now())


def test_one_look_tells_the_state_of_the_loop(empty: Database, settings: Settings) -> None:
    """What came in by kind, who stands where in the log, what waits, and what was decided, newest first."""
    append(empty, PEPPERED, inference("i"), truth("t", "i", 3), truth("w", "x", 3))
    catch_up(empty, settings)
    append(
        empty, PEPPERED, truth("late", "i", 3), decision("model_promoted", model_version="m2", reason="better"),
        decision("model_refused", model_version="m3", reasons=["not better", "few rows"]), decision("project_changed"),
    )  # fmt: skip

    told = seen(empty)

    assert [sum(one[kind] for one in told["received"]) for kind in ("feedback", "inferences")] == [3, 1]
    assert (told["head"], told["stream"]["log_offset"], told["stream"]["lag"]) == (7, 3, 4)
    assert told["stream"]["is_running"] is False and told["stream"]["lag_s"] > 0
    assert told["models"] == ["digits"] and told["champions"] == []
    assert told["pending"] == 1 and told["dead_letters"] == 0
    assert [(one["kind"], one["reason"]) for one in told["decisions"]] == [
        ("model_refused", "not better; few rows"),
        ("model_promoted", "better"),
    ]


def test_later_looks_count_on(empty: Database) -> None:
    """Between two looks only what is new is counted, and nothing twice."""
    overview = Overview(1)
    counts = []
    for n in range(3):
        append(empty, PEPPERED, inference(f"i{n}"))
        with Session(empty.engine) as session:
            told = overview.look(session, utc_now())
            counts.append(sum(one["inferences"] for one in told["received"]))

    assert counts == [1, 2, 3]


def test_another_project_sees_nothing_of_it(client: Client, empty: Database, make_key: MakeKey) -> None:
    """Neither what came in nor what waits, is held, was decided; the log's own length is everybody's."""
    key = make_key("ingest", "review")
    with Session(empty.engine) as session:
        session.add(Project(name="elsewhere"))
        session.flush()
        stranger = keys.create(session, "elsewhere", ["read"], utc_now()).key
        session.commit()
    client.post("/v1/feedback", key, {"feedback_type": "love"})
    append(empty, PEPPERED, truth("w", "x", 3), decision("model_promoted", model_version="m2"))

    ours, theirs = client.get("/v1/status", key).json(), client.get("/v1/status", stranger).json()

    assert ours["quarantine"] == {"held": 1, "by_code": {"validation-failed": 1}} and ours["decisions"]
    assert (theirs["quarantine"]["held"], theirs["decisions"], theirs["received"]) == (0, [], [])
    assert theirs["head"] == ours["head"] == 2


def test_the_stream_tells_what_changes(client: Client, empty: Database, make_key: MakeKey) -> None:
    """The state at once, and again when something came in; it ends with its session, within five seconds."""
    cookie, _ = sign_in(client, key := make_key("read"))
    watching = OpenStream(client, "/v1/status/stream", "", cookie=f"{NAME}={cookie}")
    watching._scope["headers"] = [each for each in watching._scope["headers"] if each[0] != b"authorization"]
    with watching as stream:
        assert "head" in json.loads(stream.next()["data"])
        append(empty, PEPPERED, inference("i"), inference("j"), inference("k"))
        stream.next(lambda event: json.loads(event.get("data", "{}")).get("head") == 3)
        with Session(empty.engine) as session:
            keys.revoke(session, keys.key_id_of(key), utc_now())
            session.commit()
        began_s = monotonic_s()
        while stream.next() is not None:
            assert monotonic_s() - began_s < 10

    assert monotonic_s() - began_s < 6
