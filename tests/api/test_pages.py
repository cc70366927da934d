"""Pages: a person without a session is led to the sign-in, and one who may not see a page is told so in a page."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from api.pages import files
from api.sessions import Sessions
from feedback_ingest.errors import StorageUnavailable
from tests.api.conftest import Client
from tests.api.test_sessions import post_form, send, sign_in

MakeKey = Callable[..., str]
BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


def look(client: Client, cookie: str | None = None, **headers: str) -> httpx.Response:
    """The dashboard as a browser asks for it."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(client, "GET", "/dashboard", cookie, headers=BROWSER | given)


def test_a_stranger_is_led_to_the_sign_in(client: Client) -> None:
    """And back again afterwards; a program is told 401 as everywhere."""
    answer = look(client)

    assert (answer.status_code, answer.headers["location"]) == (303, "/session?next=/dashboard")
    assert client.get("/dashboard").status_code == 401


def test_a_link_from_elsewhere_keeps_who_is_signed_in(client: Client, make_key: MakeKey) -> None:
    """The strict cookie does not come along, so the page asks once more by itself, and then it does."""
    first = look(client, Sec_Fetch_Site="cross-site")
    second = look(client, sign_in(client, make_key("read"))[0], Sec_Fetch_Site="same-origin")

    assert (first.status_code, first.headers["refresh"]) == (200, "0; url=/dashboard")
    assert second.status_code == 200 and "Metrics by model version" in second.text


def test_what_a_page_is_asked_is_not_lost_on_the_way(client: Client, make_key: MakeKey) -> None:
    """A link to one feedback leads there, through the sign-in too; what is not harmless in it is left behind."""
    place, odd = (
        "/lineage?feedback_id=0192f0c1-7c1e-7a50-8a3e-000000000001",
        "/lineage?feedback_id=%0d%0aX:1;url=//evil",
    )

    asked, dropped = (send(client, "GET", path, headers=BROWSER) for path in (place, odd))
    again = send(client, "GET", place, headers=BROWSER | {"Sec-Fetch-Site": "same-site"})
    form = client.get(asked.headers["location"]).text
    gone_on = post_form(client, "/session", key=make_key("read"), next=place)

    assert again.headers["refresh"] == f"0; url={place}"
    assert dropped.headers["location"] == "/session?next=/lineage"
    assert f'value="{place}"' in form and gone_on.headers["location"] == place


def test_a_page_is_strict(client: Client, make_key: MakeKey) -> None:
    """It loads our own files only, has no script or style in itself, and holds the session's token but no key."""
    key = make_key("read")
    cookie, token = sign_in(client, key)

    answer = look(client, cookie)

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["x-frame-options"] == "DENY" and answer.headers["cache-control"] == "no-store"
    assert token in answer.text and key not in answer.text and cookie not in answer.text
    assert " style=" not in answer.text and " onclick=" not in answer.text and "<script>" not in answer.text
    named = {part.split('"')[0] for part in answer.text.split('"/static/')[1:]}
    assert named and named <= set(files.files())


def test_who_may_not_see_it_is_told_in_a_page(client: Client, make_key: MakeKey) -> None:
    """A key without the scope gets words and a way out, not JSON."""
    answer = look(client, Authorization=f"Bearer {make_key('ingest')}")

    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html") and "scope read" in answer.text


def test_while_the_database_is_away_a_page_says_so(
    client: Client, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the status of it, and a way to try again."""
    cookie, _ = sign_in(client, make_key("read"))

    async def away(*_: Any) -> None:
        raise StorageUnavailable()

    monkeypatch.setattr(Sessions, "_look", away)
    answer = look(client, cookie)

    assert answer.status_code == 503 and "does not answer" in answer.text
