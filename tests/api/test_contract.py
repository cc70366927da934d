"""The contract as data, and the dry run: what may be sent, what it means, what would become of it."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.doors.metrics import NewMetric, register
from feedback_ingest.feedback_types import collect
from feedback_ingest.tables import Project
from tests.api.conftest import Client

MakeKey = Callable[..., str]
VALIDATE = "/v1/feedback/validate"


@pytest.fixture(scope="module")
def key(make_key: MakeKey) -> str:
    """A server's key that may also read."""
    return make_key("ingest", "read")


def event(**fields: Any) -> dict[str, Any]:
    """A valid event with an id of its own."""
    base = {
        "feedback_id": str(uuid.uuid4()),
        "inference_request_id": f"r-{uuid.uuid4()}",
        "model_version": "m-1",
        "feedback_type": "explicit_binary",
        "feedback_value": {"positive": True},
    }
    return base | fields


def tone(**fields: Any) -> dict[str, Any]:
    """A metric of a project's own."""
    base = {
        "metric": f"tone_{uuid.uuid4().hex[:8]}",
        "description": "How the answer sounds.",
        "direction": "higher",
        "low": 0,
        "high": 1,
        "feedback_types": ["explicit_rating"],
    }
    return base | fields


@pytest.mark.parametrize("scope", ["ingest", "ingest:public", "read", "review"])
def test_every_type_is_told(client: Client, make_key: MakeKey, scope: str) -> None:
    """Name, version, meaning, widget, examples and schema of every type, to any key that sends or reads."""
    told = client.get("/v1/feedback-types", make_key(scope)).json()["feedback_types"]

    assert [one["name"] for one in told] == list(collect())
    assert all({"version", "reads_as", "metric", "widget", "examples", "schema"} <= one.keys() for one in told)
    assert next(one for one in told if one["name"] == "explicit_binary")["reads_as"] == ["reward", "text"]


def test_the_types_are_cached_by_their_tag(client: Client, key: str) -> None:
    """Whoever has the newest answer is told so in a few bytes; without a key there is none."""
    first = client.get("/v1/feedback-types", key)

    again = client.run(
        client._http.get(
            "/v1/feedback-types",
            headers={"Authorization": f"Bearer {key}", "If-None-Match": f'"x", W/{first.headers["etag"]}'},
        )
    )

    assert (again.status_code, again.content) == (304, b"")
    assert "private" in again.headers["cache-control"]
    assert client.get("/v1/feedback-types").status_code == 401


def test_a_schema_is_told_by_type_and_version(client: Client, key: str) -> None:
    """The newest, or the one asked for; a type or version nobody has is 404."""
    paths = ["explicit_rating", "explicit_rating?version=1.0", "explicit_rating?version=9.9", "love"]

    answers = [client.get(f"/v1/schemas/{path}", key) for path in paths]

    assert [answer.status_code for answer in answers] == [200, 200, 404, 404]
    assert [answer.json()["version"] for answer in answers[:2]] == ["1.1", "1.0"]
    assert answers[0].headers["content-type"] == "application/schema+json"


def test_a_registered_metric_may_be_named(client: Client, make_key: MakeKey, key: str, session: Session) -> None:
    """A metric is data: once registered events of its types may name it; in another project it is unknown."""
    metric, admin = tone(), make_key("admin")
    named = {"metric": metric["metric"], "feedback_type": "explicit_rating", "feedback_value": {"score": 4}}
    session.add(Project(name="strangers"))
    session.flush()
    stranger = keys.create(session, "strangers", ["ingest"], utc_now()).key
    session.commit()

    before = client.post("/v1/feedback", key, event(**named))
    made = [client.post("/v1/metrics", admin, metric), client.post("/v1/metrics", admin, metric | {"low": 0.5})]
    after = client.post("/v1/feedback", key, event(**named))
    wrong_type = client.post("/v1/feedback", key, event(metric=metric["metric"]))
    foreign = client.post("/v1/feedback", stranger, event(**named))
    shown = {one["metric"]: one for one in client.get("/v1/metrics", key).json()["metrics"]}

    assert (before.status_code, before.json()["errors"]) == (422, [{"pointer": "/metric", "code": "not-registered"}])
    assert [answer.status_code for answer in made] == [201, 200]
    assert after.status_code == 201
    assert wrong_type.json()["errors"] == [{"pointer": "/metric", "code": "not-for-this-type"}]
    assert foreign.json()["errors"] == [{"pointer": "/metric", "code": "not-registered"}]
    assert shown[metric["metric"]]["low"] == 0.5
    assert {"accuracy", "satisfaction", "volume"} <= {name for name, one in shown.items() if one["built_in"]}


def test_another_process_registers(client: Client, key: str, session: Session) -> None:
    """What is registered elsewhere is known here within five seconds, without a question for each event."""
    metric = tone(feedback_types=["explicit_binary"])
    register(session, 1, NewMetric(**metric), utc_now())
    session.commit()

    deadline_s = monotonic_s() + 5
    while client.post("/v1/feedback", key, event(metric=metric["metric"])).status_code != 201:
        assert monotonic_s() < deadline_s


@pytest.mark.parametrize(
    "fields",
    [
        {"metric": "Tone"},
        {"metric": "accuracy"},
        {"direction": "up"},
        {"feedback_types": []},
        {"feedback_types": ["love"]},
        {"low": 2, "high": 1},
        {"range": [0, 1]},
        {"low": None},
    ],
)
def test_a_metric_that_means_nothing_is_refused(client: Client, make_key: MakeKey, fields: dict[str, Any]) -> None:
    """A metric has a slug of its own, a direction, a range and types that exist; nothing else is taken."""
    assert client.post("/v1/metrics", make_key("admin"), tone(**fields)).status_code == 422


def test_only_an_administrator_registers(client: Client, key: str) -> None:
    """A key that sends and reads registers nothing."""
    assert client.post("/v1/metrics", key, tone()).status_code == 403


@pytest.mark.parametrize("name", collect().keys())
def test_the_dry_run_says_what_the_door_would(client: Client, make_key: MakeKey, name: str) -> None:
    """Accepted, then duplicate, then conflict, as the real door answers next; the dry run itself changes nothing."""
    sender = make_key("ingest", "review")
    given = event(feedback_type=name, feedback_value=collect()[name].examples[0])
    other = given | {"confidence": 0.5}

    dry, real, again, conflict = (
        client.post(VALIDATE, sender, given),
        client.post("/v1/feedback", sender, given),
        client.post(VALIDATE, sender, given),
        client.post(VALIDATE, sender, other),
    )

    assert [answer.json()["verdict"] for answer in (dry, again, conflict)] == ["accepted", "duplicate", "conflict"]
    assert [answer.json()["status"] for answer in (dry, again, conflict)] == [201, 200, 409]
    assert real.status_code == 201
    assert dry.json()["goes_to"]["metric"] == collect()[name].metric


def test_the_dry_run_stores_and_holds_nothing(client: Client, key: str, session: Session) -> None:
    """Neither the log nor the quarantine grows, whatever the verdict."""
    counts = "SELECT (SELECT count(*) FROM staging.feedback_events), (SELECT count(*) FROM staging.quarantined_items)"
    session.rollback()
    before = session.execute(text(counts)).one()

    refused = client.post(VALIDATE, key, event(feedback_value={"positive": "zq7"}))
    client.post(VALIDATE, key, event())
    session.rollback()

    assert refused.json() == {
        "verdict": "refused",
        "status": 422,
        "code": "validation-failed",
        "retryable": False,
        "errors": [{"pointer": "/feedback_value/positive", "code": "wrong-type"}],
    }
    assert session.execute(text(counts)).one() == before


def test_the_dry_run_says_where_it_would_go(client: Client, key: str) -> None:
    """Whether the inference is known, and whether the model is the one that answered."""
    name = f"i-{uuid.uuid4()}"
    outputs = [{"output_id": "A", "content": "x"}]
    client.post("/v1/inferences", key, {"inference_request_id": name, "model_version": "m-1", "outputs": outputs})
    events = [event(), event(inference_request_id=name), event(inference_request_id=name, model_version="m-2")]

    told = [client.post(VALIDATE, key, one).json()["goes_to"]["attribution"] for one in events]

    assert [one["state"] for one in told] == ["pending", "attributed", "mismatched"]
    assert [one["inference_known"] for one in told] == [False, True, True]


def test_the_dry_run_is_as_strict_as_the_door(client: Client, key: str, make_key: MakeKey) -> None:
    """What is no JSON, no key or no event at all is answered as the door answers it."""
    answers = [
        client.post(VALIDATE, key, b"{"),
        client.post(VALIDATE, make_key("read"), event()),
        client.post(VALIDATE, key, event(), **{"Content-Type": "text/plain"}),
        client.post(f"{VALIDATE}?x=1", key, event()),
    ]

    assert [answer.status_code for answer in answers] == [400, 403, 415, 422]
