"""Default deny: every route names its scopes or is open for a reason, and nothing crosses between projects."""

import re
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlmodel import Session

from api.access import OPEN
from api.app import create_whole_app
from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.keys import SCOPES
from feedback_ingest.tables import Project
from tests.api.conftest import Client

MakeKey = Callable[..., str]
APP = create_whole_app()
PLACES = {"feedback_id": "01890a5d-ac96-774b-bcce-b302099a8057", "item_id": "1", "inference_request_id": "r-1"}


class Operation(NamedTuple):
    """One operation of the OpenAPI document: how to call it and which scopes open it."""

    method: str
    path: str
    scopes: frozenset[str]
    has_body: bool

    @property
    def url(self) -> str:
        """Its address with something in each place."""
        path = re.sub(r"{(\w+)}", lambda found: PLACES.get(found[1], "zq7"), self.path)
        return f"{path}?limit=1" if (self.method, path) == ("GET", "/v1/feedback") else path


def operations() -> Iterator[Operation]:
    """Those that need a key."""
    for path, methods in APP.openapi()["paths"].items():
        for method, declared in methods.items():
            if path not in OPEN:
                scopes = declared.get("security", [{"key": []}])[0]["key"]
                yield Operation(method.upper(), path, frozenset(scopes), "requestBody" in declared)


OPERATIONS = list(operations())
each = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")


def call(client: Client, operation: Operation, key: str | None) -> httpx.Response:
    """Calls it with a body that every strict reader could read."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    content = b"{}" if operation.has_body else None
    if content:
        headers["Content-Type"] = "application/json"
    return client.run(client._http.request(operation.method, operation.url, headers=headers, content=content))


def test_every_route_names_its_scopes() -> None:
    """A route without a scope is in OPEN, with its reason there; OPEN lists nothing else."""
    routes = {route.path: route for route in APP.routes if hasattr(route, "path")}
    declared = {operation.path for operation in OPERATIONS}
    preflights = {route.path for route in APP.routes if isinstance(route, APIRoute) and route.methods == {"OPTIONS"}}

    unscoped = [operation for operation in OPERATIONS if not operation.scopes or not operation.scopes <= SCOPES]

    assert unscoped == []
    assert set(routes) - declared - preflights - OPEN == set()
    assert len(OPERATIONS) > 15


def test_a_forgotten_scope_would_be_found() -> None:
    """The planted bug: a route without a key stands in the document without scopes."""
    app = create_whole_app()

    @app.get("/v1/forgotten")
    def forgotten() -> dict[str, Any]:
        return {}

    declared = app.openapi()["paths"]["/v1/forgotten"]["get"]
    assert "security" not in declared and "/v1/forgotten" not in OPEN


@pytest.fixture(scope="module")
def given(make_key: MakeKey, database: Any) -> dict[str, str]:
    """A key of each kind that opens nothing: revoked, expired, unknown."""
    made = {"revoked": make_key(*sorted(SCOPES - {"ingest:public"}))}
    made["expired"] = make_key("admin", expires_at=utc_now() - timedelta(days=1))
    made["unknown"] = f"fk_live_{'0' * 16}_{'a' * 43}"
    with Session(database.engine) as session:
        keys.revoke(session, keys.key_id_of(made["revoked"]), utc_now())
        session.commit()
    return made


@each
def test_nothing_opens_without_a_valid_key(client: Client, given: dict[str, str], operation: Operation) -> None:
    """No key, an unknown, a revoked, an expired one: 401, told alike, whatever is sent."""
    answers = [call(client, operation, key) for key in (None, *given.values())]

    assert {answer.status_code for answer in answers} == {401}
    assert len({str(answer.json() | {"request_id": ""}) for answer in answers}) == 1


@each
def test_a_scope_opens_its_routes_only(client: Client, make_key: MakeKey, operation: Operation) -> None:
    """A key with every scope that the route does not name is 403; what else is wrong is not told before."""
    for scope in sorted(SCOPES - operation.scopes - {"admin"}):
        assert call(client, operation, make_key(scope)).status_code == 403, scope


@pytest.fixture(scope="module")
def stranger(database: Any) -> str:
    """An admin key of another project."""
    with Session(database.engine) as session:
        session.add(Project(name="elsewhere"))
        session.flush()
        made = keys.create(session, "elsewhere", ["admin"], utc_now()).key
        session.commit()
    return made


@each
def test_other_projects_do_not_exist(client: Client, make_key: MakeKey, stranger: str, operation: Operation) -> None:
    """Ids of one project are to another's admin as ids that nobody has: the same status, the same words."""
    if "{" not in operation.path:
        return
    own = make_key("admin", "ingest", "read")
    name = str(uuid.uuid4())
    event = {
        "feedback_id": name,
        "inference_request_id": name,
        "model_version": "m",
        "feedback_type": "explicit_binary",
        "feedback_value": {"positive": True},
    }
    client.post("/v1/feedback", own, event)
    client.post("/v1/feedback", own, event | {"feedback_type": "love"})
    item = client.get("/v1/quarantine", own).json()["items"][0]["id"]
    ours = {"feedback_id": name, "inference_request_id": name, "item_id": item, "credential_id": keys.key_id_of(own)}
    hook = {"url": "https://93.184.215.14/", "event_types": ["actor.suspended"]}
    ours["webhook_id"] = client.post("/v1/webhooks", own, hook).json()["id"]
    theirs = operation._replace(path=re.sub(r"{(\w+)}", lambda found: ours.get(found[1], "zq7"), operation.path))

    known, unknown = call(client, theirs, stranger), call(client, operation, stranger)

    assert known.status_code == unknown.status_code
    assert known.json().get("code") == unknown.json().get("code")
    assert name not in known.text.replace(theirs.path, "")
