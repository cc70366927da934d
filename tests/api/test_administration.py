"""Projects and keys over HTTP: made, rotated, ended, each told once and each a fact of the log."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from tests.api.conftest import Client

MakeKey = Callable[..., str]
EVENT = {
    "inference_request_id": "r-1",
    "model_version": "m-1",
    "feedback_type": "explicit_binary",
    "feedback_value": {"positive": True},
}


@pytest.fixture(scope="module")
def admin(make_key: MakeKey) -> str:
    """The operator's key."""
    return make_key("admin")


@pytest.fixture(scope="module")
def tenant(client: Client, admin: str) -> dict[str, Any]:
    """Another project, as its creation is answered."""
    answer = client.post("/v1/projects", admin, {"name": "tenant-a"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_project_comes_with_its_first_key(client: Client, admin: str, tenant: dict[str, Any]) -> None:
    """The key administers the new project and sees no other; the operator sees all."""
    key = tenant["credential"]["key"]

    own = client.get("/v1/projects", key).json()["projects"]
    every = client.get("/v1/projects", admin).json()["projects"]

    assert [project["name"] for project in own] == ["tenant-a"]
    assert {"default", "tenant-a"} <= {project["name"] for project in every}


@pytest.mark.parametrize("name", ["tenant-a", "Default", "", "a b", "-x", "x" * 64])
def test_a_name_is_free_and_plain(client: Client, admin: str, tenant: dict[str, Any], name: str) -> None:
    """A taken or odd name is 422 with its pointer."""
    answer = client.post("/v1/projects", admin, {"name": name})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/name"


def test_only_the_operator_makes_and_changes_projects(client: Client, admin: str, tenant: dict[str, Any]) -> None:
    """A tenant's admin raises nobody's quota, not even its own."""
    key = tenant["credential"]["key"]

    refused = [
        client.post("/v1/projects", key, {"name": "mine"}),
        client.patch("/v1/projects/tenant-a", key, {"events_per_day": 10**9}),
    ]
    changed = client.patch("/v1/projects/tenant-a", admin, {"events_per_day": 1_000_000})

    assert [answer.status_code for answer in refused] == [403, 403]
    assert changed.json()["events_per_day"] == 1_000_000
    assert client.patch("/v1/projects/none", admin, {"events_per_day": None}).status_code == 404


def test_a_secret_is_told_once(client: Client, admin: str, session: Session) -> None:
    """The answer to the creation has it; no list, no audit and no table ever does."""
    made = client.post("/v1/credentials", admin, {"scopes": ["ingest", "read"], "events_per_minute": 60})
    secret = made.json()["key"]

    listed, audit = client.get("/v1/credentials", admin), client.get("/v1/audit", admin)

    assert made.status_code == 201
    assert client.post("/v1/feedback", secret, EVENT).status_code == 201
    [row] = [row for row in listed.json()["credentials"] if row["id"] == made.json()["id"]]
    assert (row["state"], row["scopes"], row["events_per_minute"]) == ("active", ["ingest", "read"], 60)
    assert secret not in listed.text + audit.text and secret.rsplit("_", 1)[1] not in listed.text + audit.text
    assert "token_sha256" not in listed.text
    dump = session.execute(text("SELECT c::text FROM credentials c UNION ALL SELECT body FROM staging.feedback_events"))
    assert not [line for (line,) in dump if secret[-43:] in line]


def test_a_rotated_key_overlaps(client: Client, admin: str) -> None:
    """The new key does what the old one does, and the old one works until the overlap ends."""
    old = client.post("/v1/credentials", admin, {"scopes": ["ingest"]}).json()

    new = client.post(f"/v1/credentials/{old['id']}/rotate", admin, {"overlap_s": 3_600})
    at_once = client.post(f"/v1/credentials/{new.json()['id']}/rotate", admin, {"overlap_s": 0})

    assert new.status_code == 201 and new.json()["key"] != old["key"]
    assert [client.post("/v1/feedback", key, EVENT).status_code for key in (old["key"], new.json()["key"])] == [
        201,
        401,
    ]
    assert client.post("/v1/feedback", at_once.json()["key"], EVENT).status_code == 201
    rows = {row["id"]: row for row in client.get("/v1/credentials", admin).json()["credentials"]}
    ends = datetime.fromisoformat(rows[old["id"]]["expires_at"])
    assert timedelta(minutes=59) < ends - utc_now() < timedelta(minutes=61)
    assert rows[new.json()["id"]]["state"] == "expired"


def test_a_revoked_key_ends_and_stays_ended(client: Client, admin: str) -> None:
    """Revoking is final and may be said twice."""
    made = client.post("/v1/credentials", admin, {"scopes": ["ingest"]}).json()

    answers = [client.post(f"/v1/credentials/{made['id']}/revoke", admin, {}) for _ in range(2)]

    assert [answer.json()["state"] for answer in answers] == ["revoked", "revoked"]
    assert client.post("/v1/feedback", made["key"], EVENT).status_code == 401
    assert client.post(f"/v1/credentials/{made['id']}/rotate", admin, {}).status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/scopes"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["root"]}, "/scopes/0"),
        ({"scopes": ["ingest"], "expires_at": "soon"}, "/expires_at"),
        ({"scopes": ["ingest:public", "read"]}, "/scopes"),
        ({"scopes": ["ingest:public"], "origins": ["*"]}, "/scopes"),
        ({"scopes": ["ingest"], "zq7": 1}, "/zq7"),
        ({"scopes": ["ingest"], "events_per_minute": 0}, "/events_per_minute"),
    ],
)
def test_what_no_key_can_be_is_told_by_pointer(client: Client, admin: str, body: Any, pointer: str) -> None:
    """422 names the field."""
    answer = client.post("/v1/credentials", admin, body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("raw", [b"{", b'{"scopes":["ingest"],"scopes":["admin"]}', b'{"scopes":NaN}', b"\xff", b""])
def test_administration_is_as_strict_as_the_door(client: Client, admin: str, raw: bytes) -> None:
    """What is no JSON, or says a name twice, makes no key."""
    assert client.post("/v1/credentials", admin, raw).status_code == 400


def test_keys_of_other_projects_do_not_exist(client: Client, admin: str, tenant: dict[str, Any]) -> None:
    """A tenant's admin cannot see, rotate or revoke another's key: 404, as for an id nobody has."""
    theirs = client.post("/v1/credentials", admin, {"scopes": ["ingest"]}).json()
    key = tenant["credential"]["key"]

    answers = [client.post(f"/v1/credentials/{theirs['id']}/{verb}", key, {}) for verb in ("rotate", "revoke")]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert theirs["id"] not in client.get("/v1/credentials", key).text
    assert client.post("/v1/feedback", theirs["key"], EVENT).status_code == 201


def test_who_changed_what_is_in_the_log(client: Client, admin: str, session: Session) -> None:
    """Each change is one fact, newest first, with who decided; filtered by kind, paged by cursor, of one project."""
    made = client.post("/v1/credentials", admin, {"scopes": ["read"]}).json()
    client.post(f"/v1/credentials/{made['id']}/revoke", admin, {})

    decisions = client.get("/v1/audit", admin).json()["decisions"]
    created = client.get("/v1/audit?kind=credential_created", admin).json()["decisions"]

    mine = [(one["kind"], one["actor"]) for one in decisions if one["subject"] == made["id"]]
    who = keys.key_id_of(admin)
    assert mine == [("credential_revoked", who), ("credential_created", who)]
    assert {one["kind"] for one in created} == {"credential_created"}
    offsets = [one["offset"] for one in decisions]
    assert offsets == sorted(offsets, reverse=True)
    older = client.get(f"/v1/audit?cursor={offsets[0]}", admin).json()["decisions"]
    assert older[0]["offset"] == offsets[1]
    session.rollback()
    kept = session.execute(
        text("SELECT kind FROM staging.feedback_events WHERE log_offset = :offset"), {"offset": offsets[0]}
    ).scalar_one()
    assert kept == "credential_revoked"


@pytest.mark.parametrize(
    "query", ["kind=feedback", "kind=' OR 1=1 --", "cursor=x", "cursor=-1", "cursor=1;DROP", "cursor=" + "9" * 30]
)
def test_a_filter_that_is_none_is_refused(client: Client, admin: str, query: str) -> None:
    """422, nothing echoed."""
    answer: httpx.Response = client.get(f"/v1/audit?{query}", admin)

    assert answer.status_code == 422
    assert json.dumps(answer.json()).count("OR 1=1") == 0
