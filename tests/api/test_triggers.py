"""Triggers over HTTP: defined, tried on history, fired by hand, taken back; and the drift that was found."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_ingest.tables import Project
from feedback_loop.stream.process import catch_up
from tests.api.conftest import Client
from tests.stream.events import append, inference, truth

MakeKey = Callable[..., str]
TRIGGER: dict[str, Any] = {"trigger_id": "weekly", "conditions": [{"kind": "staleness", "at_least": 604800}]}


@pytest.fixture(scope="module")
def admin(make_key: MakeKey) -> str:
    """A key of the project `default`."""
    return make_key("admin", "read")


@pytest.fixture(scope="module")
def stranger(database: Database) -> str:
    """A key of another project."""
    with Session(database.engine) as session:
        session.add(Project(name="elsewhere"))
        session.flush()
        made = keys.create(session, "elsewhere", ["admin", "read"], utc_now()).key
        session.commit()
    return made


def test_a_trigger_is_defined_changed_and_taken_back(client: Client, admin: str, stranger: str) -> None:
    """201, then 200; another project does not see it; each change is an audited fact; afterwards it is 404."""
    made, changed = (client.post("/v1/triggers", admin, TRIGGER | {"budget": budget}) for budget in (1, 2))
    listed = client.get("/v1/triggers", admin).json()["triggers"]
    unseen = client.get("/v1/triggers", stranger).json()["triggers"]
    fired = client.post("/v1/triggers/weekly/fire", admin, {"model_name": "digits"})
    removed = client.run(client._http.delete("/v1/triggers/weekly", headers={"Authorization": f"Bearer {admin}"}))
    audit = client.get("/v1/audit?kind=trigger_defined", admin).json()["decisions"]

    assert [answer.status_code for answer in (made, changed, fired, removed)] == [201, 200, 200, 200]
    assert [(each["trigger_id"], each["budget"]) for each in listed] == [("weekly", 2)]
    assert unseen == []
    assert [one["trigger"]["budget"] for one in audit[:2]] == [2, 1]
    assert client.post("/v1/triggers/weekly/fire", admin, {"model_name": "digits"}).status_code == 404
    assert client.get("/v1/drift", admin).json() == {"drift": []}


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"conditions": [{"kind": "moon"}]}, "/conditions/0/kind", "not-allowed"),
        ({"trigger_id": "No Slug"}, "/trigger_id", "bad-format"),
        ({"looks": 0}, "/looks", "out-of-range"),
        ({"phase": 1}, "/phase", "unknown-field"),
    ],
)
def test_a_faulty_trigger_is_refused_by_field(
    client: Client, admin: str, change: dict[str, Any], pointer: str, code: str
) -> None:
    """422 with the field and the code; nothing is defined."""
    answer = client.post("/v1/triggers", admin, TRIGGER | change)

    assert answer.status_code == 422
    assert {"pointer": pointer, "code": code} in answer.json()["errors"]


def test_a_trigger_is_tried_on_what_happened(
    client: Client, admin: str, database: Database, settings: Settings, pepper: Pepper
) -> None:
    """Nine of ten were right and then four: it would have fired once, and is not defined by being tried."""
    draft = {"trigger": TRIGGER | {"conditions": [{"kind": "performance", "at_least": 0.7}]}, "model_name": "digits"}
    events = []
    for n in range(450):
        answer = "a" if n % 10 < (9 if n < 300 else 4) else "b"
        events += [inference(f"tried-{n}", answer), truth(str(UUID(int=n)), f"tried-{n}", "a")]
    append(database, pepper, *events)
    catch_up(database, settings)

    found = client.post("/v1/triggers/backtest", admin, draft).json()

    assert (found["labels"], found["fired"]) == (450, 1)
    assert found["told"][-1]["fires"]
    assert "accuracy 0.400" in found["told"][-1]["reason"]
    assert client.get("/v1/triggers", admin).json()["triggers"] == []
