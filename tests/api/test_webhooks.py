"""Webhooks over HTTP: endpoints are made, changed, rotated and ended, and no answer says what it must not."""

from collections.abc import Callable
from typing import Any

import pytest

from feedback_ingest.canonical import Pepper
from feedback_ingest.postgres import Database
from tests.api.conftest import PEPPER, Client
from tests.stream.outboxes import delivering, put_out, rows
from tests.stream.outboxes import endpoint as allowed_endpoint
from tests.support.receivers import answering, receiving
from tests.support.waiting import wait_for

PUBLIC = "https://93.184.215.14/hook?token=t"
WANTED = {"url": PUBLIC, "event_types": ["actor.suspended"]}
"""Nothing here puts such a message out, so nobody is told of it."""


@pytest.fixture(scope="module")
def admin(make_key: Callable[..., str]) -> str:
    """A key that administers the project."""
    return make_key("admin")


def made(client: Client, admin: str, **wanted: Any) -> dict[str, Any]:
    """A new endpoint as the API tells it."""
    answer = client.post("/v1/webhooks", admin, WANTED | wanted)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def delete(client: Client, path: str, key: str) -> int:
    """DELETE; the status."""
    headers = {"Authorization": f"Bearer {key}"}
    return client.run(client._http.delete(path, headers=headers)).status_code


def test_a_secret_is_told_once(client: Client, admin: str) -> None:
    """When the endpoint is made and when it is rotated; never again, and not in the audit."""
    told = made(client, admin, description="our pager")
    rotated = client.post(f"/v1/webhooks/{told['id']}/rotate", admin, {"overlap_s": 60})

    secrets = [told["secret"], rotated.json()["secret"]]
    assert rotated.status_code == 201 and secrets[0] != secrets[1]
    assert all(secret.startswith("whsec_") and len(secret) == 50 for secret in secrets)
    said = client.get("/v1/webhooks", admin).text + client.get(f"/v1/webhooks/{told['id']}", admin).text
    audit = client.get("/v1/audit", admin).text
    assert "our pager" in said and "webhook_rotated" in audit
    assert not [secret for secret in secrets if secret in said or secret in audit]
    assert "token=t" not in audit


def test_an_endpoint_can_be_changed_and_ended(client: Client, admin: str) -> None:
    """Types, URL, description, whether it is on; what is left out stays; after its end there is nothing."""
    path = f"/v1/webhooks/{made(client, admin)['id']}"

    changed = client.patch(path, admin, {"event_types": ["metric.breached"], "enabled": False}).json()
    again = client.patch(path, admin, {"enabled": True}).json()

    assert (changed["event_types"], changed["enabled"], changed["url"]) == (["metric.breached"], False, PUBLIC)
    assert changed["disabled_reason"] == "by an administrator"
    assert (again["enabled"], again["disabled_reason"], again["event_types"]) == (True, None, ["metric.breached"])
    assert [delete(client, path, admin), delete(client, path, admin)] == [204, 404]
    assert client.get(path, admin).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "pointer", "code"),
    [
        ({"url": "http://127.0.0.1/"}, "/url", "not-allowed"),
        ({"url": "http://localhost/"}, "/url", "bad-format"),
        ({"url": "http://169.254.169.254/latest"}, "/url", "not-allowed"),
        ({"url": "ftp://93.184.215.14/"}, "/url", "bad-format"),
        ({"url": "https://93.184.215.14:22/"}, "/url", "bad-format"),
        ({"event_types": []}, "/event_types", "too-short"),
        ({"event_types": ["metric.breached", "no.such"]}, "/event_types/1", "not-allowed"),
        ({"format": "teams"}, "/format", "not-allowed"),
        ({"secret": "whsec_mine"}, "/secret", "unknown-field"),
    ],
)
def test_what_is_wrong_is_named(client: Client, admin: str, wanted: dict[str, Any], pointer: str, code: str) -> None:
    """By field and remedy, without a word about our network or the value."""
    before = client.get("/v1/webhooks", admin).json()

    answer = client.post("/v1/webhooks", admin, WANTED | wanted)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": pointer, "code": code}]
    assert client.get("/v1/webhooks", admin).json() == before


def test_event_types_are_told(client: Client, admin: str) -> None:
    """What may be asked for, by name."""
    types = client.get("/v1/webhooks/event-types", admin).json()["event_types"]

    assert {"metric.breached", "metric.recovered", "model.promoted", "dataset.compiled"} <= set(types)


def test_deliveries_are_told_without_the_answers(client: Client, admin: str, database: Database) -> None:
    """Each with its attempts and when the next one is due; what the receiver wrote is for operators alone."""
    pepper = Pepper(PEPPER.encode())
    with receiving(answering(500)) as receiver:
        name, _ = allowed_endpoint(database, pepper, receiver.url)
        path = f"/v1/webhooks/{name}/deliveries"
        with delivering(database, pepper):
            put_out(database, "one")
            wait_for(lambda: rows(database, "SELECT answer FROM webhook_attempts") == [("thanks!",)], what="an answer")
            [told] = client.get(path, admin).json()["deliveries"]
            receiver.behave = answering(204)
            again = client.post(f"{path}/{told['id']}/redeliver", admin, {})
            wait_for(lambda: client.get(f"{path}?state=delivered", admin).json()["deliveries"] != [])

    assert (told["state"], told["event_type"]) == ("waiting", "metric.breached")
    assert told["next_attempt_at"] > told["created_at"]
    assert [(one["number"], one["status"], one["error"]) for one in told["attempts"]] == [(1, 500, None)]
    assert "thanks" not in client.get(path, admin).text
    assert again.status_code == 200 and again.json()["id"] == told["id"]
    [done] = client.get(path, admin).json()["deliveries"]
    assert (done["state"], len(done["attempts"])) == ("delivered", 2)
    assert client.get(f"{path}?state=lost", admin).status_code == 422
    assert client.post(f"{path}/msg_unknown/redeliver", admin, {}).status_code == 404


def test_deliveries_come_in_pages(client: Client, admin: str, database: Database) -> None:
    """A hundred at a time, each once."""
    name, _ = allowed_endpoint(database, Pepper(PEPPER.encode()), "http://127.0.0.1/", "review.task.created")
    put_out(database, *(f"n{n}" for n in range(130)), event_type="review.task.created")
    path = f"/v1/webhooks/{name}/deliveries"

    first = client.get(path, admin).json()
    second = client.get(f"{path}?cursor={first['next_cursor']}", admin).json()

    ids = [one["id"] for page in (first, second) for one in page["deliveries"]]
    assert (len(first["deliveries"]), len(ids), len(set(ids))) == (100, 130, 130)
    assert second["next_cursor"] is None
