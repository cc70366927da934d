"""A key becomes a cookie for pages: it may what the key may, ends when it should, and no other page can use it."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from sqlmodel import Session, select

from api.sessions import FRESH_S, Sessions
from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.doors import sessions
from feedback_ingest.doors.tables import PageSession
from feedback_ingest.errors import Unauthenticated
from feedback_ingest.postgres import Database
from tests.api.conftest import Client
from tests.api.test_revocation import Clock

MakeKey = Callable[..., str]
NAME = "feedback_session"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def send(client: Client, method: str, path: str, cookie: str | None = None, **options: Any) -> httpx.Response:
    """A request as a browser with this cookie sends it."""
    headers = options.pop("headers", {}) | ({"Cookie": f"{NAME}={cookie}"} if cookie else {})
    client._http.cookies.clear()
    return client.run(client._http.request(method, path, headers=headers, **options))


def sign_in(client: Client, key: str) -> tuple[str, str]:
    """The cookie and the token of a session."""
    answer = send(client, "POST", "/session", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 201, answer.text
    return answer.cookies[NAME], answer.json()["csrf_token"]


def post_form(client: Client, path: str, cookie: str | None = None, **fields: str) -> httpx.Response:
    """A form, sent by our own page."""
    headers = FORM | {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
    return send(client, "POST", path, cookie, headers=headers, content=urlencode(fields))


@pytest.mark.parametrize("way", ["header", "json", "form"])
def test_a_key_becomes_a_cookie(client: Client, make_key: MakeKey, session: Session, way: str) -> None:
    """No script can read it, no other site sends it; it is not the key, and the database holds only its digest."""
    key = make_key("read")
    answer = {
        "header": lambda: send(client, "POST", "/session", headers={"Authorization": f"Bearer {key}"}),
        "json": lambda: send(client, "POST", "/session", json={"key": key}),
        "form": lambda: post_form(client, "/session", key=key),
    }[way]()

    told, cookie = answer.headers["set-cookie"], answer.cookies[NAME]
    stored = session.exec(select(PageSession).where(PageSession.key_id == keys.key_id_of(key))).one()
    assert (answer.status_code, send(client, "GET", "/v1/metrics", cookie).status_code) == (
        303 if way == "form" else 201,
        200,
    )
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(told.split("; "))
    assert key[-20:] not in told + answer.text and stored.secret_sha256 == sessions.digest(cookie)


def test_with_tls_the_cookie_is_bound_to_the_host(client: Client, make_key: MakeKey) -> None:
    """It is Secure and its prefix keeps neighbouring hosts from setting it."""
    secure = httpx.AsyncClient(transport=client._http._transport, base_url="https://app")
    headers = {"Authorization": f"Bearer {make_key('read')}"}

    answer = client.run(secure.post("/session", headers=headers))
    seen = client.run(secure.get("/v1/metrics"))

    assert answer.headers["set-cookie"].startswith("__Host-feedback_session=")
    assert "; Secure" in answer.headers["set-cookie"]
    assert seen.status_code == 200


def test_a_session_may_what_its_key_may(client: Client, make_key: MakeKey) -> None:
    """A reader's cookie reads and administers nothing; a key that cannot read opens no page at all."""
    cookie, token = sign_in(client, make_key("read"))

    assert send(client, "GET", "/v1/metrics", cookie).status_code == 200
    assert send(client, "GET", "/v1/credentials", cookie).status_code == 403
    assert send(client, "POST", "/v1/projects", cookie, headers={"X-CSRF-Token": token}, json={}).status_code == 403
    for scope in ("ingest", "ingest:public", "backfill"):
        refused = send(client, "POST", "/session", headers={"Authorization": f"Bearer {make_key(scope)}"})
        assert refused.status_code == 403 and "set-cookie" not in refused.headers


def test_the_door_takes_no_cookie(client: Client, make_key: MakeKey) -> None:
    """Events come with a key in the header, whoever is signed in."""
    cookie, token = sign_in(client, make_key("admin"))

    for path in ("/v1/feedback", "/v1/inferences/batch"):
        assert send(client, "POST", path, cookie, headers={"X-CSRF-Token": token}, json={}).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"X-CSRF-Token": "guess"}, 403),
        ({"X-CSRF-Token": "another session's"}, 403),
        ({"X-CSRF-Token": "own", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"X-CSRF-Token": "own", "Sec-Fetch-Site": "same-site"}, 403),
        ({"X-CSRF-Token": "own", "Origin": "http://elsewhere.example"}, 403),
        ({"X-CSRF-Token": "own", "Sec-Fetch-Site": "same-origin"}, 201),
        ({"X-CSRF-Token": "own", "Origin": "http://app"}, 201),
    ],
)
def test_only_our_own_page_changes_something(
    client: Client, make_key: MakeKey, headers: dict[str, str], status: int
) -> None:
    """What a cookie changes needs the session's own token, and no other origin's page sends it."""
    cookie, token = sign_in(client, make_key("admin"))
    named = {"own": token, "another session's": sign_in(client, make_key("admin"))[1]}
    given = {name: named.get(value, value) for name, value in headers.items()}

    answer = send(client, "POST", "/v1/credentials", cookie, headers=given, json={"scopes": ["read"]})

    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["code"] == "forbidden" and token not in answer.text


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://elsewhere.example"}])
def test_nobody_is_signed_in_by_another_site(client: Client, make_key: MakeKey, headers: dict[str, str]) -> None:
    """A page elsewhere cannot make a visitor work under a key of its own."""
    body = urlencode({"key": make_key("read")})

    answer = send(client, "POST", "/session", headers=FORM | headers, content=body)

    assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_signing_out_ends_it_for_good(client: Client, make_key: MakeKey) -> None:
    """The cookie is worth nothing afterwards, wherever a copy of it is; without the page's token nobody is put out."""
    cookie, token = sign_in(client, make_key("read"))

    forged = post_form(client, "/session/end", cookie)
    still = send(client, "GET", "/v1/metrics", cookie)
    answer = post_form(client, "/session/end", cookie, csrf_token=token)
    after = send(client, "GET", "/v1/metrics", cookie)

    assert [one.status_code for one in (forged, still, answer, after)] == [403, 200, 303, 401]
    assert 'feedback_session=""' in answer.headers["set-cookie"] and "Max-Age=0" in answer.headers["set-cookie"]


def test_the_page_asks_and_says_what_is_wrong(client: Client, make_key: MakeKey) -> None:
    """It has no script and no style of its own, never repeats a key, and leads nowhere but to our own pages."""
    page = client.get("/session?next=/dashboard")
    wrong = post_form(client, "/session", key="fk_live_0_canary", next="/x")
    blind = post_form(client, "/session", key=make_key("ingest"))
    good = post_form(client, "/session", key=make_key("review"), next="/session")
    away = [post_form(client, "/session", key=make_key("read"), next=place) for place in ("//evil.example", "http:x")]
    cookie, _ = sign_in(client, make_key("read"))

    policy = page.headers["content-security-policy"]
    assert page.status_code == 200 and 'value="/dashboard"' in page.text and "<script" not in page.text
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert (page.headers["x-frame-options"], page.headers["cache-control"]) == ("DENY", "no-store")
    assert (wrong.status_code, "canary" in wrong.text, 'role="alert"' in wrong.text) == (401, False, True)
    assert (blind.status_code, "scope read" in blind.text) == (403, True)
    assert (good.status_code, good.headers["location"]) == (303, "/session")
    assert {answer.headers["location"] for answer in away} == {"/dashboard"}
    assert "You are signed in" in send(client, "GET", "/session", cookie).text


@pytest.fixture
def clock() -> Clock:
    """At its start."""
    return Clock()


def held(known: Sessions, secret: str) -> bool:
    """Whether somebody is signed in by it."""
    try:
        asyncio.run(known.sender(secret, "read"))
    except Unauthenticated:
        return False
    return True


def made(session: Session, key: str, now: datetime, longest: timedelta) -> str:
    """A session of a reader, apart from any request."""
    known = keys.find(session, keys.key_id_of(key))
    assert known is not None
    secret, _ = sessions.create(session, keys.sender_with(known), now, longest)
    session.commit()
    return secret


def test_a_session_ends_within_five_seconds_of_its_key(
    database: Database, session: Session, make_key: MakeKey, clock: Clock
) -> None:
    """However often it was used a moment before."""
    key = make_key("read")
    secret = made(session, key, clock.now(), timedelta(hours=1))
    known = Sessions(database, clock.now, clock.monotonic_s)
    before = held(known, secret)
    keys.revoke(session, keys.key_id_of(key), clock.now())
    session.commit()

    clock.passed_s = FRESH_S

    assert (before, held(known, secret)) == (True, False)


@pytest.mark.parametrize(("key_s", "session_s"), [(None, 60), (60, 3_600)])
def test_a_session_ends_in_time(
    database: Database, session: Session, make_key: MakeKey, clock: Clock, key_s: int | None, session_s: int
) -> None:
    """To the moment, after its own time or its key's, and what is over is swept out when somebody signs in."""
    key = make_key("read", expires_at=clock.now() + timedelta(seconds=key_s) if key_s else None)
    secret = made(session, key, clock.now(), timedelta(seconds=session_s))
    known = Sessions(database, clock.now, clock.monotonic_s)
    clock.passed_s = 59.0
    before = held(known, secret)
    clock.passed_s = 60.0
    after = held(known, secret)

    made(session, make_key("read"), utc_now() + timedelta(seconds=60), timedelta(hours=1))

    assert (before, after) == (True, False)
    assert session.get(PageSession, sessions.digest(secret)) is None


def test_files_are_sent_as_what_they_are(client: Client) -> None:
    """Styles and scripts with their type, once; what is no file of the pages is not there."""
    style = client.get("/static/pages.css")
    again = send(client, "GET", "/static/pages.css", headers={"If-None-Match": style.headers["etag"]})

    assert style.headers["content-type"].startswith("text/css") and style.headers["x-content-type-options"] == "nosniff"
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/static/../shell.py").status_code == client.get("/static/none.css").status_code == 404
