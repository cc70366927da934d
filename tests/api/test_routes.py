"""Routes over HTTP: they are defined, counted, taken back; the dry run says where an event would go."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.process import catch_up
from tests.api.conftest import PEPPER, Client
from tests.stream.outboxes import rows

DOUBT = {"route_id": "doubt", "where": {"tags": {"doubt": "yes"}}, "sinks": ["review"], "hold": True, "hold_s": 3_600}
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
EVENT = {
    "feedback_id": ID,
    "inference_request_id": "r-1",
    "model_version": "m",
    "feedback_type": "ground_truth",
    "feedback_value": {"label": 3},
    "tags": {"doubt": "yes"},
}


@pytest.fixture(scope="module")
def admin(make_key: Callable[..., str]) -> str:
    """A key that may do everything."""
    return make_key("admin", "ingest", "read", "review")


def test_the_default_is_told(client: Client, admin: str) -> None:
    """Before anybody defined a route there is one, of version 0."""
    told = client.get("/v1/routes", admin).json()

    assert [(route["route_id"], route["version"], route["sinks"]) for route in told["routes"]] == [
        ("default", 0, ["training_queue", "lake"])
    ]
    assert told["unrouted"] == 0


def test_held_feedback_is_seen_and_released(client: Client, admin: str, database: Database, tmp_path: Path) -> None:
    """From the dry run to the queue: where it would go, that it is held, by what, and let in by a fact."""
    settings = Settings(data_dir=tmp_path, database_url=database.url, pepper=PEPPER)
    made, again = (client.post("/v1/routes", admin, DOUBT) for _ in range(2))
    dry = client.post("/v1/feedback/validate", admin, EVENT).json()["goes_to"]
    client.post(
        "/v1/inferences",
        admin,
        {"inference_request_id": "r-1", "model_version": "m", "outputs": [{"output_id": "A", "content": {"label": 3}}]},
    )
    client.post("/v1/feedback", admin, EVENT)
    catch_up(database, settings)
    [held] = client.get("/v1/held", admin).json()["held"]
    queue = "SELECT feedback_id FROM training_examples"
    before = rows(database, queue)
    released = client.post(f"/v1/held/{ID}/release", admin, {})
    catch_up(database, settings)

    assert (made.status_code, again.status_code, made.json()["version"], again.json()["version"]) == (201, 200, 1, 1)
    assert (dry["routes"], dry["sinks"], dry["held"]) == (
        ["default", "doubt"],
        ["lake", "review", "training_queue"],
        True,
    )
    assert (held["feedback_id"], held["routes"], before) == (ID, "doubt", [])
    assert (released.status_code, rows(database, queue)) == (200, [(ID,)])
    assert client.get("/v1/held", admin).json() == {"held": []}
    assert client.post(f"/v1/held/{ID}/release", admin, {}).status_code == 404
    counted = {route["route_id"]: route["events"] for route in client.get("/v1/routes", admin).json()["routes"]}
    assert counted == {"default": 1, "doubt": 1}
    kinds = {decision["kind"] for decision in client.get("/v1/audit", admin).json()["decisions"]}
    assert {"route_defined", "hold_released"} <= kinds


def test_a_route_can_be_taken_back(client: Client, admin: str) -> None:
    """The default one too; then an event that nobody takes goes nowhere, and the dry run says so."""
    defined = client.post("/v1/routes", admin, {"route_id": "flags", "sinks": ["review"]})
    headers = {"Authorization": f"Bearer {admin}"}
    gone = [client.run(client._http.delete(f"/v1/routes/{name}", headers=headers)) for name in ("flags", "default")]
    plain = {name: value for name, value in EVENT.items() if name not in ("tags", "feedback_id")}
    dry = client.post("/v1/feedback/validate", admin, plain).json()["goes_to"]
    again = client.run(client._http.delete("/v1/routes/flags", headers=headers))
    back = client.post("/v1/routes", admin, {"route_id": "default", "sinks": ["training_queue", "lake"]})

    assert defined.status_code == 201
    assert [answer.json() for answer in gone] == [{"removed": "flags"}, {"removed": "default"}]
    assert (dry["routes"], dry["sinks"], dry["held"]) == ([], [], False)
    assert (again.status_code, back.status_code) == (404, 201)


@pytest.mark.parametrize(
    ("wanted", "pointer", "code"),
    [
        ({"where": {"metadata": {"a": 1}}, "sinks": ["lake"]}, "/where", "unknown-field"),
        ({"where": {"feedback_types": ["love"]}, "sinks": ["lake"]}, "/where/feedback_types/0", "not-allowed"),
        ({"sinks": ["kafka"]}, "/sinks/0", "not-allowed"),
        ({"sinks": []}, "/sinks", "too-short"),
        ({"sinks": ["webhook"], "webhook_id": "we_none"}, "/webhook_id", "not-registered"),
        ({"sinks": ["lake"], "hold": True, "hold_s": 1}, "/hold_s", "out-of-range"),
        ({"sinks": ["lake"], "route_id": "A B"}, "/route_id", "bad-format"),
    ],
)
def test_what_is_wrong_is_named(client: Client, admin: str, wanted: dict[str, Any], pointer: str, code: str) -> None:
    """By field and remedy; nothing is defined."""
    before = client.get("/v1/routes", admin).json()

    answer = client.post("/v1/routes", admin, {"route_id": "x", **wanted})

    assert (answer.status_code, answer.json()["errors"]) == (422, [{"pointer": pointer, "code": code}])
    assert client.get("/v1/routes", admin).json() == before
