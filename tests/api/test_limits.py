"""Limits: a key that has them is told the truth about them; a key without never hears of them."""

import re
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.tables import Project
from tests.api.conftest import Client
from tests.support.waiting import wait_for

MakeKey = Callable[..., str]


def event(**fields: Any) -> dict[str, Any]:
    """A valid event with an id of its own."""
    base = {
        "feedback_id": str(uuid.uuid4()),
        "inference_request_id": "r-1",
        "model_version": "m-1",
        "feedback_type": "explicit_binary",
        "feedback_value": {"positive": True},
    }
    return base | fields


def told(answer: httpx.Response, name: str = "events") -> tuple[int, int]:
    """What the field RateLimit says remains, and for how many seconds to wait."""
    found = re.search(rf'"{name}";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    assert found
    return int(found[1]), int(found[2])


def test_a_key_without_a_limit_hears_of_none(client: Client, make_key: MakeKey) -> None:
    """By default nothing is counted and no field is sent."""
    answer = client.post("/v1/feedback", make_key("ingest"), event())

    assert answer.status_code == 201
    assert not {"ratelimit", "ratelimit-policy", "retry-after", "vary"} & set(answer.headers)


def test_events_are_counted_down_and_refused(client: Client, make_key: MakeKey, session: Session) -> None:
    """Each answer says what remains; at none it is 429 with how long to wait, nothing is stored, others go on."""
    key, other = make_key("ingest", events_per_minute=3), make_key("ingest", events_per_minute=3)
    given = [event() for _ in range(4)]

    answers = [client.post("/v1/feedback", key, one) for one in given]

    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert [told(answer)[0] for answer in answers] == [2, 1, 0, 0]
    assert answers[3].json()["code"] == "quota-exceeded" and answers[3].json()["retryable"]
    assert int(answers[3].headers["retry-after"]) >= told(answers[3])[1] >= 1
    assert answers[0].headers["ratelimit-policy"] == '"events";q=3;w=60'
    stored = "SELECT count(*) FROM staging.event_keys WHERE id = :id"
    assert session.execute(text(stored), {"id": given[3]["feedback_id"]}).scalar_one() == 0
    assert client.post("/v1/feedback", other, event()).status_code == 201


def test_bytes_are_charged_before_anything_is_parsed(client: Client, make_key: MakeKey) -> None:
    """A body that is not even JSON costs its bytes all the same."""
    key = make_key("ingest", bytes_per_minute=1_000)

    bad = client.post("/v1/feedback", key, b"{" * 2_000)
    after = client.post("/v1/feedback", key, event())

    assert (bad.status_code, after.status_code) == (400, 429)
    assert told(bad, "bytes")[0] == 0
    assert int(after.headers["retry-after"]) >= 59


def test_a_day_has_a_quota(client: Client, session: Session) -> None:
    """A project's events of a UTC day end with 429 until midnight; duplicates and refusals cost nothing of it."""
    session.add(Project(name="metered", events_per_day=3))
    session.flush()
    key = keys.create(session, "metered", ["ingest"], utc_now()).key
    session.commit()
    first = event()

    answers = [client.post("/v1/feedback", key, one) for one in (first, first, {"no": 1}, event(), event(), event())]

    assert [answer.status_code for answer in answers] == [201, 200, 422, 201, 201, 429]
    assert [told(answer, "events-per-day")[0] for answer in answers] == [2, 2, 2, 1, 0, 0]
    assert 0 < int(answers[5].headers["retry-after"]) <= 86_400
    used = "SELECT events FROM project_usage JOIN projects USING (project_id) WHERE name = 'metered'"

    def saved() -> bool:
        session.rollback()
        return session.execute(text(used)).scalar() == 3

    wait_for(saved)


@pytest.mark.parametrize("path", ["/v1/inferences", "/v1/inferences/batch"])
def test_a_public_key_logs_no_inference(client: Client, make_key: MakeKey, path: str) -> None:
    """What the model answered is told by servers: a page could claim anything."""
    assert client.post(path, make_key("ingest:public"), {}).status_code == 403


def test_a_public_key_is_limited_by_default(client: Client, make_key: MakeKey) -> None:
    """It has lower limits without anybody asking, a smaller body, and speaks for end users only."""
    key = make_key("ingest:public")

    answer = client.post("/v1/feedback", key, event())
    large = client.post("/v1/feedback", key, event(metadata={"x": "y" * 70_000}))
    reviewer = client.post("/v1/feedback", key, event(source={"kind": "reviewer"}))

    assert answer.headers["ratelimit-policy"].startswith('"events";q=6000;w=60, "bytes"')
    assert (answer.status_code, large.status_code, reviewer.status_code) == (201, 413, 403)
