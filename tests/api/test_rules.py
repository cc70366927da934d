"""Rules over HTTP: defined, changed, taken back, each a fact; what they decided is told with its reason."""

from collections.abc import Callable
from typing import Any

import pytest

from feedback_ingest.canonical import Pepper
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.process import catch_up
from tests.api.conftest import Client
from tests.stream.events import append, inference, truth

MakeKey = Callable[..., str]
RULE = {
    "rule_id": "digits-accuracy",
    "metric": "accuracy",
    "comparison": "below",
    "threshold": 0.9,
    "window_s": 60,
    "min_samples": 10,
}


@pytest.fixture(scope="module")
def admin(make_key: MakeKey) -> str:
    """A key of the project `default`."""
    return make_key("admin")


def rule(client: Client, key: str, rule_id: str) -> dict[str, Any]:
    """One rule as it is shown."""
    return dict(client.get(f"/v1/rules/{rule_id}", key).json())


def test_a_rule_is_defined_changed_and_taken_back(client: Client, admin: str) -> None:
    """201, then 200 with the next version, the same again changes nothing; afterwards it is 404."""
    made, changed, same = (
        client.post("/v1/rules", admin, RULE | {"threshold": threshold}) for threshold in (0.9, 0.85, 0.85)
    )
    listed = client.get("/v1/rules", admin).json()["rules"]
    removed = client.run(client._http.delete("/v1/rules/digits-accuracy", headers={"Authorization": f"Bearer {admin}"}))
    audit = client.get("/v1/audit?kind=rule_defined", admin).json()["decisions"]

    assert [answer.status_code for answer in (made, changed, same, removed)] == [201, 200, 200, 200]
    assert [answer.json()["version"] for answer in (made, changed, same)] == [1, 2, 2]
    assert {one["rule_id"]: one["version"] for one in listed} == {"accuracy_floor": 0, "digits-accuracy": 2}
    assert client.get("/v1/rules/digits-accuracy", admin).status_code == 404
    assert [one["rule"]["threshold"] for one in audit[:2]] == [0.85, 0.9]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"metric": "weather"}, "/metric", "not-registered"),
        ({"comparison": "under"}, "/comparison", "not-allowed"),
        ({"window_s": 0}, "/window_s", "out-of-range"),
        ({"rule_id": "No Slug"}, "/rule_id", "bad-format"),
        ({"floor": 1}, "/floor", "unknown-field"),
        ({"comparison": "drop"}, "/baseline", "required"),
        ({"baseline": "tomorrow"}, "/baseline", "bad-format"),
        ({"actions": []}, "/actions", "too-short"),
    ],
)
def test_a_bad_rule_is_refused_with_its_field(
    client: Client, admin: str, change: dict[str, Any], pointer: str, code: str
) -> None:
    """422 with the pointer and a code that names the remedy; nothing is defined."""
    answer = client.post("/v1/rules", admin, RULE | change)

    assert answer.status_code == 422
    assert {"pointer": pointer, "code": code} in answer.json()["errors"]


def test_decisions_are_told_fired_or_not(
    client: Client, admin: str, database: Database, settings: Settings, pepper: Pepper
) -> None:
    """Too few, quiet, raised, still low: the last verdict and its changes stand with their reasons."""
    client.post("/v1/rules", admin, RULE)
    for first, wrong in ((0, False), (5, False), (20, True), (40, True)):
        numbers = range(first, first + (5 if first == 0 else 15))
        told = [(inference(f"i{n}", second=n), truth(f"t{n}", f"i{n}", 4 if wrong else 3, second=n)) for n in numbers]
        append(database, pepper, *(fact for pair in told for fact in pair))
        catch_up(database, settings)

    [decision] = rule(client, admin, "digits-accuracy")["decisions"]
    alerts = client.get("/v1/alerts?rule=digits-accuracy", admin).json()["alerts"]

    assert decision["verdict"] == "stands"
    assert decision["reason"].endswith("still low")
    assert [change["verdict"] for change in decision["changes"]] == ["stands", "fires", "quiet", "too_few_samples"]
    assert decision["changes"][-1]["reason"] == "5 of 10 samples"
    [alert] = alerts
    assert (alert["state"], alert["metric"], alert["actions"], alert["rule_version"]) == (
        "raised",
        "accuracy",
        ["alert"],
        4,
    )
    assert client.get("/v1/alerts?state=recovered", admin).json() == {"alerts": [], "next_cursor": None}


def test_a_rule_is_tried_on_the_log(client: Client, admin: str, settings: Settings) -> None:
    """As it is defined, and as a draft that is not; a bad draft is refused with its fields."""
    client.post("/v1/rules", admin, RULE)

    defined = client.post("/v1/rules/digits-accuracy/backtest", admin, {})
    draft = client.post("/v1/rules/backtest", admin, {"rule": RULE | {"min_samples": 1_000}, "start": "offset:2"})
    bad = client.post("/v1/rules/backtest", admin, {"rule": RULE | {"metric": "weather"}, "start": "soon"})

    assert (defined.status_code, defined.json()["fired"]) == (200, 1)
    assert defined.json()["told"][0]["state"] == "raised"
    assert (draft.json()["fired"], draft.json()["first_offset"]) == (0, 2)
    assert bad.json()["errors"] == [{"pointer": "/rule/metric", "code": "not-registered"}]
    assert client.post("/v1/rules/digits-accuracy/backtest", admin, {"start": "soon"}).status_code == 422
