"""End users over HTTP: suspended and restored by an event, seen with the reason, never told to them."""

from collections.abc import Callable

import pytest

from feedback_ingest.canonical import Pepper
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.process import catch_up
from tests.api.conftest import PEPPER, Client

EVENT = {
    "inference_request_id": "r-1",
    "model_version": "m",
    "feedback_type": "explicit_binary",
    "feedback_value": {"positive": True},
    "user_context": {"user_id": "u-17"},
}


@pytest.fixture(scope="module")
def admin(make_key: Callable[..., str]) -> str:
    """A key that may do everything."""
    return make_key("admin", "ingest", "read")


def test_a_user_is_suspended_and_restored(client: Client, admin: str, database: Database, settings: Settings) -> None:
    """By user_id or pseudonym; who is suspended is answered as everybody is, and the decisions stand in the audit."""
    pseudonym = Pepper(PEPPER.encode()).pseudonym(1, "u-17")
    before = client.post("/v1/feedback", admin, EVENT)
    suspended = client.post("/v1/actors/u-17/suspend", admin, {"reason": "sends from a script"})
    after = client.post("/v1/feedback", admin, EVENT)
    catch_up(database, settings)
    shown = client.get(f"/v1/actors/{pseudonym}", admin).json()
    [listed] = client.get("/v1/actors", admin).json()["actors"]
    restored = client.post(f"/v1/actors/{pseudonym}/restore", admin, {})

    assert suspended.status_code == restored.status_code == 200
    assert suspended.json()["state"] == "suspended" and suspended.json()["actor"] == pseudonym
    assert (before.status_code, after.status_code) == (201, 201) and before.json().keys() == after.json().keys()
    assert (shown["state"], shown["weight"], shown["days"][0]["events"]) == ("suspended", 0, 2)
    assert (listed["actor"], listed["reason"]) == (pseudonym, "sends from a script")
    assert client.get("/v1/actors/u-17", admin).json()["state"] == "heard"
    kinds = [each["kind"] for each in client.get("/v1/audit", admin).json()["decisions"]]
    assert kinds[:2] == ["actor_restored", "actor_suspended"]


def test_only_an_administrator_decides(client: Client, make_key: Callable[..., str]) -> None:
    """Whoever sends or reads is not told who is suspended either."""
    assert client.post("/v1/actors/u-17/suspend", make_key("ingest", "read"), {}).status_code == 403
    assert client.get("/v1/actors", make_key("ingest", "read")).status_code == 403
