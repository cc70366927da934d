"""Models over HTTP: who serves is told at once, or when it moves; a person promotes, rolls back and holds."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlmodel import Session

from api import listening
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from feedback_loop.registry.champions import promote
from feedback_loop.registry.shelf import RegisteredModel
from tests.api.conftest import Client

MakeKey = Callable[..., str]


@pytest.fixture(scope="module")
def admin(make_key: MakeKey) -> str:
    """A key of the project `default`."""
    return make_key("admin", "read")


@pytest.fixture
def model(request: pytest.FixtureRequest, database: Database, pepper: Pepper) -> str:
    """A model of the test's own: a, then b served."""
    for version in "ab":
        move(database, pepper, request.node.name, version)
    return str(request.node.name)


def move(database: Database, pepper: Pepper, model: str, version: str) -> None:
    """Lets a version serve."""
    with Session(database.engine) as session:
        promote(session, RegisteredModel(1, model, version), "test", utc_now(), pepper)
        session.commit()


def test_a_person_moves_the_champion(client: Client, admin: str, model: str) -> None:
    """Back to a, then by name to b again; the versions tell what happened, and the audit who did it."""
    back = client.post(f"/v1/models/{model}/versions/b/rollback", admin, {"reason": "complaints"})
    left = client.get(f"/v1/models/{model}/versions/b", admin).json()
    again = client.post(f"/v1/models/{model}/versions/b/promote", admin, {})
    versions = client.get(f"/v1/models/{model}/versions", admin).json()["versions"]
    listed = client.get("/v1/models", admin).json()["models"]

    assert (back.json()["model_version"], again.json()["model_version"]) == ("a", "b")
    assert (left["serves"], left["rolled_back_at"] is None) == (False, False)
    assert [(one["model_version"], one["previous_version"]) for one in versions] == [("a", None), ("b", "a")]
    assert all(one["rolled_back_at"] is None for one in versions)
    assert [one["model_version"] for one in listed if one["model_name"] == model] == ["b"]


def test_what_cannot_be_is_refused(client: Client, admin: str, model: str) -> None:
    """An unknown version or model is 404; nothing before the first version is 422 with its code."""
    client.post(f"/v1/models/{model}/versions/b/rollback", admin, {})
    first = client.post(f"/v1/models/{model}/versions/a/rollback", admin, {})
    other = client.post(f"/v1/models/{model}/versions/b/rollback", admin, {})

    for path in (f"{model}/versions/c/promote", f"{model}/versions/c/rollback", "none/versions/a/rollback"):
        assert client.post(f"/v1/models/{path}", admin, {}).status_code == 404
    assert client.get(f"/v1/models/{model}/versions/c", admin).status_code == 404
    assert (first.status_code, first.json()["errors"]) == (
        422,
        [{"pointer": "/model_version", "code": "no-previous-version"}],
    )
    assert other.json()["errors"][0]["code"] == "not-serving"


def test_a_hold_is_told(client: Client, admin: str, model: str) -> None:
    """Held and released, each once in the audit."""
    held = [client.post(f"/v1/models/{model}/hold", admin, {"is_held": held}).json() for held in (True, True, False)]
    audit = [
        client.get(f"/v1/audit?kind={kind}", admin).json()["decisions"] for kind in ("model_held", "model_released")
    ]

    assert [one["is_held"] for one in held] == [True, True, False]
    assert [[one["subject"] for one in told].count(model) for told in audit] == [1, 1]


def test_a_move_ends_the_wait(client: Client, admin: str, model: str, database: Database, pepper: Pepper) -> None:
    """Twenty clients that wait with the version they have get the next one, long before their time is over."""
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(client.get, f"/v1/models/{model}?version=b&wait_ms=20000", admin) for _ in range(20)]
        began = time.monotonic()
        move(database, pepper, model, "c")
        told = [one.result() for one in waiting]

    assert {one.json()["model_version"] for one in told} == {"c"}
    assert time.monotonic() - began < 15


def test_without_a_move_the_wait_ends_with_its_time(client: Client, admin: str, model: str) -> None:
    """The same version again after wait_ms, and at once for a client that has another one or none."""
    began = time.monotonic()
    for query in ("", "?version=a&wait_ms=20000", "?version=b&wait_ms=200"):
        answer = client.get(f"/v1/models/{model}{query}", admin)
        assert (answer.status_code, answer.json()["model_version"]) == (200, "b")

    assert 0.2 <= time.monotonic() - began < 15
    assert client.get(f"/v1/models/{model}?version=b&wait_ms=60000", admin).status_code == 422


def test_a_wait_costs_no_look_at_the_database(
    client: Client, admin: str, model: str, database: Database, pepper: Pepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that waits asks nothing, also when other models move: its row is read at the start and at the end."""
    from api import models

    looks: list[str] = []
    serving = models._serving

    def counted(*asked: object) -> object:
        looks.append("look")
        return serving(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(models, "_serving", counted)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.get, f"/v1/models/{model}?version=b&wait_ms=1500", admin)
        for version in "abc":
            move(database, pepper, "another", version)
        waiting.result()

    assert listening.LOOK_S < 1.5
    assert len(looks) == 2
