"""Browsers: a public key works from the pages it lists, and a page on any other origin gets nothing."""

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.errors import SetupError
from feedback_ingest.postgres import Database
from tests.api.conftest import Client

HOME = "https://app.example.com"
FORMER = "https://former.example.com"


@pytest.fixture(scope="module", autouse=True)
def revoked(make_key: Callable[..., str], database: Database) -> str:
    """A public key that was revoked, the only one of its origin; made before a preflight remembers who lists what."""
    token = make_key("ingest:public", origins=[FORMER])
    with Session(database.engine) as session:
        keys.revoke(session, keys.key_id_of(token), utc_now())
        session.commit()
    return token


@pytest.fixture(scope="module", autouse=True)
def key(make_key: Callable[..., str]) -> str:
    """A public key for one origin."""
    return make_key("ingest:public", origins=[HOME])


def event() -> dict[str, Any]:
    """A valid event."""
    return {
        "feedback_id": str(uuid.uuid4()),
        "inference_request_id": "r-1",
        "model_version": "m-1",
        "feedback_type": "explicit_binary",
        "feedback_value": {"positive": True},
    }


def preflight(client: Client, origin: str, path: str = "/v1/feedback") -> httpx.Response:
    """What a browser asks first."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return client.run(client._http.options(path, headers=asked))


def test_a_listed_page_may_send_and_read(client: Client, key: str) -> None:
    """Preflight and answer name the page's own origin, never a star; refusals can be read as well."""
    asked = preflight(client, HOME)
    sent = client.post("/v1/feedback", key, event(), Origin=HOME)
    bad = client.post("/v1/feedback", key, {}, Origin=HOME)

    assert (asked.status_code, sent.status_code, bad.status_code) == (204, 201, 422)
    assert {"authorization", "content-type"} <= set(asked.headers["access-control-allow-headers"].split(", "))
    for answer in (asked, sent, bad):
        assert answer.headers["access-control-allow-origin"] == HOME
        assert "Origin" in answer.headers["vary"]
    assert "ratelimit" in sent.headers["access-control-expose-headers"]
    assert not any(name.startswith("access-control-allow-credentials") for name in sent.headers)


def test_a_page_can_ask_what_there_is_to_send(client: Client, key: str) -> None:
    """The widget draws itself from the types; its page may read them, another may not."""
    asked = preflight(client, HOME, "/v1/feedback-types")
    headers = {"Authorization": f"Bearer {key}", "Origin": HOME}
    listed = client.run(client._http.get("/v1/feedback-types", headers=headers))
    other = client.run(client._http.get("/v1/feedback-types", headers=headers | {"Origin": "https://evil.example"}))

    assert (asked.status_code, listed.status_code, other.status_code) == (204, 200, 403)
    assert listed.headers["access-control-allow-origin"] == HOME


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://app.example.com", HOME + ":8443", HOME + ".evil.example", HOME[:-1]],
)
def test_another_page_gets_nothing(client: Client, key: str, origin: str) -> None:
    """403 and no CORS field for any other origin, however alike; caches keep the answers apart."""
    asked = preflight(client, origin)
    sent = client.post("/v1/feedback", key, event(), Origin=origin)

    assert (asked.status_code, sent.status_code) == (403, 403)
    assert sent.json()["code"] == "forbidden"
    assert not [name for answer in (asked, sent) for name in answer.headers if name.startswith("access-control")]
    assert sent.headers["vary"] == "Origin"


@pytest.mark.parametrize("token", ["nobody", "fb_0000000000000000_nothing"])
def test_a_page_can_read_that_its_key_is_unknown(client: Client, token: str) -> None:
    """The 401 names the page's origin, on either kind of route; without a page it names none."""
    told = {"Authorization": f"Bearer {token}"}
    sent = client.post("/v1/feedback", token, event(), Origin=HOME)
    asked = client.run(client._http.get("/v1/feedback-types", headers=told | {"Origin": HOME}))
    by_program = client.post("/v1/feedback", token, event())

    assert [answer.status_code for answer in (sent, asked, by_program)] == [401, 401, 401]
    for answer in (sent, asked):
        assert answer.headers["access-control-allow-origin"] == HOME
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-origin" not in by_program.headers


def test_a_page_can_read_that_its_key_was_revoked(client: Client, revoked: str) -> None:
    """Its preflight still passes, although no other key lists the origin, and the 401 can be read."""
    asked = preflight(client, FORMER)
    sent = client.post("/v1/feedback", revoked, event(), Origin=FORMER)

    assert (asked.status_code, sent.status_code, sent.json()["code"]) == (204, 401, "unauthenticated")
    assert asked.headers["access-control-allow-origin"] == sent.headers["access-control-allow-origin"] == FORMER


def test_a_servers_key_is_of_no_use_to_a_page(client: Client, make_key: Callable[..., str]) -> None:
    """It names no origin, so no browser shows its answers."""
    answer = client.post("/v1/feedback", make_key("ingest"), event(), Origin=HOME)

    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("scopes", "origins"),
    [
        (["ingest:public", "read"], []),
        (["ingest"], [HOME]),
        (["ingest:public"], ["*"]),
        (["ingest:public"], ["https://app.example.com/path"]),
        (["ingest:public"], ["app.example.com"]),
    ],
)
def test_no_key_is_made_that_a_page_should_not_have(session: Session, scopes: list[str], origins: list[str]) -> None:
    """A public key has no other scope, only it has origins, and an origin is exactly one."""
    with pytest.raises(SetupError):
        keys.create(session, "default", scopes, utc_now(), origins=origins)
