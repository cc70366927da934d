"""Feedback links: a page that only asks, a form that stores once, and an end that is told plainly."""

import asyncio
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.doors import tokens
from feedback_ingest.doors.tables import FeedbackToken
from tests.api.conftest import Client

MakeKey = Callable[..., str]
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def key(make_key: MakeKey) -> str:
    """A server's key that may also read."""
    return make_key("ingest", "read")


def make(client: Client, key: str, **fields: Any) -> dict[str, Any]:
    """A link to answer for one inference."""
    base = {"inference_request_id": f"r-{uuid.uuid4()}", "model_version": "m-1", "feedback_types": ["explicit_binary"]}
    answer = client.post("/v1/feedback-tokens", key, base | fields)
    assert answer.status_code == 201, answer.text
    return answer.json() | {"inference_request_id": (base | fields)["inference_request_id"]}


def send(client: Client, path: str, **form: str) -> httpx.Response:
    """What a browser sends for a form."""
    content = urlencode({"feedback_type": "explicit_binary", "positive": "true"} | form)
    return client.run(client._http.post(path, headers={"Content-Type": FORM}, content=content))


def rows(session: Session, table: str = "staging.feedback_events") -> int:
    """How many rows there are."""
    session.rollback()
    return session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


class Inputs(HTMLParser):
    """The named inputs of a page, with their values; and every tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.named: dict[str, str] = {}
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes one tag."""
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        assert not any(name.startswith("on") or name == "style" for name in given)
        if "name" in given and tag == "input":
            self.named[given["name"]] = given.get("value", "")


def test_opening_a_link_stores_nothing(client: Client, key: str, session: Session) -> None:
    """However often scanners and previews open it; the page has no script, no other origin, and fits a phone."""
    link = make(client, key)
    before = rows(session)

    pages = [client.get(link["path"]) for _ in range(5)]

    policy = pages[0].headers["content-security-policy"]
    assert {page.status_code for page in pages} == {200}
    assert rows(session) == before
    assert session.exec(select(FeedbackToken.uses).where(FeedbackToken.uses > 0)).all() == []
    assert "default-src 'none'" in policy and "unsafe" not in policy and "script-src" not in policy
    assert pages[0].headers["referrer-policy"] == "no-referrer"
    assert pages[0].headers["cache-control"] == "no-store"
    assert 'name="viewport"' in pages[0].text
    assert not {"script", "img", "link", "iframe"} & set(Inputs(pages[0].text).tags)
    assert "http" not in pages[0].text


def test_a_sent_form_is_a_feedback(client: Client, key: str) -> None:
    """It names the link's inference and model, comes from an end user, and the person is known by the pseudonym."""
    link = make(client, key, user_id="ann@example.com", model_name="digits")
    direct = {"feedback_type": "explicit_comment", "feedback_value": {"text": "x"}, "model_version": "m-1"}
    by_api = client.post(
        "/v1/feedback", key, direct | {"inference_request_id": "r", "user_context": {"user_id": "ann@example.com"}}
    )

    page = client.get(link["path"])
    answer = send(client, link["path"], form=Inputs(page.text).named["form"], comment=" Good.\r\n<b> ")

    [stored] = client.get(f"/v1/inferences/{link['inference_request_id']}/feedback", key).json()["feedback"]
    other = client.get(f"/v1/feedback/{by_api.json()['feedback_id']}", key).json()
    assert (answer.status_code, "Thank you" in answer.text) == (200, True)
    assert stored["feedback_value"] == {"positive": True, "comment": "Good.\n<b>"}
    assert (stored["model_name"], stored["model_version"]) == ("digits", "m-1")
    assert stored["source"] == {"kind": "end_user"}
    assert stored["user_context"] == other["user_context"]


def test_a_form_sent_twice_is_one_feedback(client: Client, key: str, session: Session) -> None:
    """A double click costs one use and is thanked twice; another form finds the link used up."""
    link = make(client, key)
    form = Inputs(client.get(link["path"]).text).named["form"]
    before = rows(session)

    answers = [send(client, link["path"], form=form), send(client, link["path"], form=form)]
    other = send(client, link["path"], form=str(uuid.uuid4()))

    assert [answer.status_code for answer in [*answers, other]] == [200, 200, 410]
    assert client.get(link["path"]).status_code == 410
    assert rows(session) == before + 1


def test_uses_are_counted_atomically(client: Client, key: str, session: Session) -> None:
    """Twenty people at once on a link for five: five are stored, the others are told that it is closed."""
    link = make(client, key, max_uses=5)
    before = rows(session)

    async def rush() -> list[int]:
        content = urlencode({"feedback_type": "explicit_binary", "positive": "true"})
        posts = (
            client._http.post(link["path"], headers={"Content-Type": FORM}, content=f"{content}&form={n}")
            for n in range(20)
        )
        return [answer.status_code for answer in await asyncio.gather(*posts)]

    statuses = client.run(rush())

    assert sorted(statuses) == [200] * 5 + [410] * 15
    assert rows(session) == before + 5


def test_a_link_ends(client: Client, key: str, make_key: MakeKey, session: Session) -> None:
    """An expired link is 410; one nobody made, and one whose key was revoked, is 404; each is a plain page."""
    revoked = make_key("ingest")
    orphan, expired = make(client, revoked), make(client, key, ttl_s=1)
    keys.revoke(session, keys.key_id_of(revoked), utc_now())
    old = session.get(FeedbackToken, tokens.digest(expired["token"]))
    assert old is not None
    old.expires_at = utc_now() - timedelta(seconds=1)
    session.commit()
    paths = [expired["path"], orphan["path"], f"/f/{'a' * 43}", "/f/%3Cscript%3E"]
    before = rows(session)

    shown = [client.get(path) for path in paths]
    sent = [send(client, path) for path in paths]

    assert [page.status_code for page in shown] == [410, 404, 404, 404]
    assert [page.status_code for page in sent] == [410, 404, 404, 404]
    assert all(page.headers["content-type"].startswith("text/html") for page in [*shown, *sent])
    assert not any("<script>" in page.text for page in [*shown, *sent])
    assert rows(session) == before


def test_a_secret_is_not_stored(client: Client, key: str, session: Session) -> None:
    """Whoever reads the database cannot use a link."""
    link = make(client, key)

    session.rollback()
    stored = session.execute(text("SELECT string_agg(t::text, ' ') FROM feedback_tokens t")).scalar_one()

    assert link["token"] not in stored


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"positive": "maybe"}, 422),
        ({"feedback_type": "ground_truth", "label": "x"}, 422),
        ({"feedback_type": ""}, 422),
        ({"comment": "x" * 10_001}, 422),
        ({"comment": "\x00"}, 422),
    ],
)
def test_a_form_that_means_nothing_costs_no_use(
    client: Client, key: str, session: Session, form: dict[str, str], status: int
) -> None:
    """What is refused is asked again on the same page, stores nothing and can still be answered."""
    link = make(client, key)
    before = rows(session)

    refused = send(client, link["path"], **form)
    again = send(client, link["path"])

    assert (refused.status_code, again.status_code) == (status, 200)
    assert "<form" in refused.text
    assert rows(session) == before + 1


def test_a_link_draws_each_type_it_allows(client: Client, key: str) -> None:
    """Thumbs, stars and words: every form of the page, filled in, is stored as its type says."""
    types = {
        "explicit_binary": "true",
        "explicit_rating": "4",
        "explicit_comment": "fine",
        "explicit_correction": "At 9",
    }
    link = make(client, key, feedback_types=list(types), max_uses=10)
    page = client.get(link["path"]).text
    fields = dict(
        zip(
            re.findall(r'name="feedback_type" value="(\w+)"', page),
            ["positive", "text", "corrected_text", "score"],
            strict=True,
        )
    )

    answers = [send(client, link["path"], feedback_type=name, **{fields[name]: said}) for name, said in types.items()]

    stored = client.get(f"/v1/inferences/{link['inference_request_id']}/feedback", key).json()["feedback"]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [one["feedback_value"] for one in stored] == [
        {"positive": True}, {"score": 4}, {"text": "fine"}, {"corrected_text": "At 9"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {"feedback_types": ["love"]},
        {"feedback_types": ["review_label"]},
        {"feedback_types": []},
        {"max_uses": 0},
        {"ttl_s": 0},
        {"inference_request_id": "\u202e"},
        {"uses": 0},
    ],
)
def test_a_link_that_means_nothing_is_not_made(client: Client, key: str, fields: dict[str, Any]) -> None:
    """Only types a page can draw, for one inference, for a while and some uses."""
    base = {"inference_request_id": "r", "model_version": "m-1", "feedback_types": ["explicit_binary"]}

    assert client.post("/v1/feedback-tokens", key, base | fields).status_code == 422


def test_a_link_takes_its_model_from_the_inference(client: Client, key: str, make_key: MakeKey) -> None:
    """A logged inference says which model answered; for an unknown one the version must be given. Servers only."""
    name, output = f"i-{uuid.uuid4()}", {"output_id": "A", "content": "x"}
    record = {"inference_request_id": name, "model_version": "m-7", "model_name": "digits", "outputs": [output]}
    client.post("/v1/inferences", key, record)
    wanted = {"inference_request_id": name, "feedback_types": ["explicit_binary"]}

    answers = [
        client.post("/v1/feedback-tokens", key, wanted),
        client.post("/v1/feedback-tokens", key, wanted | {"inference_request_id": "nobody-knows"}),
        client.post("/v1/feedback-tokens", make_key("ingest:public"), wanted),
    ]
    send(client, answers[0].json()["path"])

    [stored] = client.get(f"/v1/inferences/{name}/feedback", key).json()["feedback"]
    assert [answer.status_code for answer in answers] == [201, 422, 403]
    assert (stored["model_name"], stored["model_version"]) == ("digits", "m-7")
