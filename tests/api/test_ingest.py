"""The door: a durable receipt or a named refusal for every event."""

import gzip
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.feedback_types import collect
from tests.api.conftest import Client

MakeKey = Callable[..., str]


@pytest.fixture(scope="module")
def key(make_key: MakeKey) -> str:
    """A server's key that may also read."""
    return make_key("ingest", "read")


def event(**fields: Any) -> dict[str, Any]:
    """A valid event with an id of its own."""
    base = {
        "feedback_id": str(uuid.uuid4()),
        "inference_request_id": "r-1",
        "model_version": "m-1",
        "feedback_type": "explicit_binary",
        "feedback_value": {"positive": True},
        "user_context": {"session_id": "s"},
    }
    return base | fields


def log_rows(session: Session) -> int:
    """How many facts the log holds."""
    session.rollback()
    return session.execute(text("SELECT count(*) FROM staging.feedback_events")).scalar_one()


def test_answers_201_once_and_200_again(client: Client, key: str, session: Session) -> None:
    """A retry is a duplicate with the same offset and the time of the first receipt, however it is spelled."""
    given = event()

    first = client.post("/v1/feedback", key, given)
    again = client.post(
        "/v1/feedback", key, dict(reversed(given.items())) | {"feedback_id": given["feedback_id"].upper()}
    )

    assert (first.status_code, again.status_code) == (201, 200)
    assert (first.json()["status"], again.json()["status"]) == ("accepted", "duplicate")
    for name in ("feedback_id", "offset", "received_at"):
        assert first.json()[name] == again.json()[name]


def test_answers_409_for_other_content(client: Client, key: str, session: Session) -> None:
    """The same id with other content changes nothing and learns nothing about what is stored."""
    given = event()
    client.post("/v1/feedback", key, given)
    before = log_rows(session)

    answer = client.post("/v1/feedback", key, given | {"feedback_value": {"positive": False}})

    assert answer.status_code == 409
    assert answer.json()["code"] == "feedback-id-conflict"
    assert log_rows(session) == before


def test_the_receipt_is_durable(client: Client, key: str, session: Session) -> None:
    """What a 201 names can be read at once by another connection, at the offset it names."""
    receipt = client.post("/v1/feedback", key, event()).json()

    found = "SELECT id FROM staging.feedback_events WHERE log_offset = :offset"
    session.rollback()
    assert session.execute(text(found), {"offset": receipt["offset"]}).scalar_one() == receipt["feedback_id"]


@pytest.mark.parametrize("name", collect().keys())
def test_takes_every_type_and_reads_it_back(client: Client, key: str, make_key: MakeKey, name: str) -> None:
    """What was sent is what is read, for every type's examples."""
    sender = make_key("ingest", "review", "read")
    for example in collect()[name].examples:
        given = event(feedback_type=name, feedback_value=example)

        receipt = client.post("/v1/feedback", sender, given)
        stored = client.get(f"/v1/feedback/{given['feedback_id']}", sender)

        assert receipt.status_code == 201
        assert {field: stored.json()[field] for field in given} == given


def test_a_batch_answers_each_in_order(client: Client, key: str) -> None:
    """Good neighbours are stored; each item's answer stands at its place, and the counts add up."""
    good, twin = event(), event()
    items = [good, event(feedback_type="love"), twin, twin, twin | {"feedback_value": {"positive": False}}]

    answer = client.post("/v1/feedback/batch", key, {"events": items})

    assert answer.status_code == 207
    statuses = [result["status"] for result in answer.json()["results"]]
    assert statuses == ["accepted", "refused", "accepted", "duplicate", "conflict"]
    assert answer.json()["counts"] == {"accepted": 2, "duplicate": 1, "conflict": 1, "refused": 1}
    assert answer.json()["results"][1]["errors"] == [{"pointer": "/feedback_type", "code": "not-allowed"}]


def test_ndjson_and_gzip_are_the_same_batch(client: Client, key: str) -> None:
    """One event a line, compressed; a bad line is one refused item."""
    lines = b"\n".join([json.dumps(event()).encode(), b"{", json.dumps(event()).encode()])
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}

    answer = client.post("/v1/feedback/batch", key, gzip.compress(lines), **headers)

    assert [result["status"] for result in answer.json()["results"]] == ["accepted", "refused", "accepted"]
    assert answer.json()["results"][1]["code"] == "malformed-json"


def test_a_batch_written_twice_is_refused_whole(client: Client, key: str, session: Session) -> None:
    """Two `events` in one body: no parser's choice of one of them is taken."""
    before = log_rows(session)
    one = json.dumps([event()])

    answer = client.post("/v1/feedback/batch", key, f'{{"events":{one},"events":{one}}}'.encode())

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-json")
    assert log_rows(session) == before


def test_refusals_are_kept_for_their_sender(client: Client, key: str, session: Session) -> None:
    """An invalid event of a known sender is held whole, with code and pointer."""
    given = event(feedback_value={"positive": "yes", "note": "zq7"})

    answer = client.post("/v1/feedback", key, given)

    held = session.execute(
        text("SELECT code, faults, body FROM staging.quarantined_items ORDER BY item_id DESC LIMIT 1")
    )
    code, faults, body = held.one()
    assert answer.status_code == 422
    assert (code, json.loads(body)) == ("validation-failed", given)
    assert {fault["pointer"] for fault in faults} == {"/feedback_value/note", "/feedback_value/positive"}
    assert "zq7" not in answer.text


@pytest.mark.parametrize("number", ["1e20", "1e300", "-1.0e19", "18446744073709551616.0"])
def test_a_huge_whole_number_is_refused(client: Client, key: str, number: str) -> None:
    """A float beyond 64 bits that is whole is out of range like any other, never an error of ours."""
    raw = json.dumps(event(metadata={"n": 0})).replace('"n": 0', f'"n": {number}, "a": 2.0')

    answer = client.post("/v1/feedback", key, raw.encode())

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "/metadata/n", "code": "number-out-of-range"}]


def test_an_inference_is_logged_once(client: Client, key: str) -> None:
    """The same rules by inference_request_id, with its own conflict code."""
    record = {
        "inference_request_id": f"inf-{uuid.uuid4()}",
        "model_version": "m-1",
        "inputs": {"x": 1.5},
        "outputs": [{"output_id": "A", "content": {"label": "UP"}, "score": 0.7}],
    }

    answers = [
        client.post("/v1/inferences", key, record),
        client.post("/v1/inferences", key, record),
        client.post("/v1/inferences", key, record | {"inputs": {"x": 2}}),
        client.post("/v1/inferences/batch", key, {"events": [record]}),
    ]

    assert [answer.status_code for answer in answers] == [201, 200, 409, 201]
    assert answers[2].json()["code"] == "inference-id-conflict"
    read = client.get(f"/v1/inferences/{record['inference_request_id']}", key)
    assert {name: read.json()[name] for name in record} == record


def test_feedback_is_listed_newest_first(client: Client, make_key: MakeKey) -> None:
    """Page by page without a gap or a repeat; by type and version; a type that there is not is named a fault."""
    key = make_key("ingest", "read")
    thumb = {"model_version": "list-1", "feedback_type": "explicit_binary", "feedback_value": {"positive": True}}
    label = {"model_version": "list-2", "feedback_type": "explicit_label", "feedback_value": {"label": "a"}}
    sent = [{**kind, "inference_request_id": f"listed-{n}"} for n, kind in enumerate([thumb, label] * 3)]
    answer = client.post("/v1/feedback/batch", key, {"events": sent}).json()
    offsets = [each["offset"] for each in answer["results"]]

    def listed(query: str) -> tuple[list[int], int | None]:
        told = client.get(f"/v1/feedback?{query}", key).json()
        return [each["offset"] for each in told["feedback"]], told["next_before"]

    assert listed("limit=4") == (offsets[:1:-1], offsets[2])
    assert listed(f"limit=4&before={offsets[2]}")[0][:2] == offsets[1::-1]
    assert listed("model_version=list-2&feedback_type=explicit_label")[0] == offsets[5::-2]
    assert listed(f"limit=1&before={offsets[1]}&model_version=list-1") == ([offsets[0]], offsets[0])
    assert listed(f"before={offsets[0]}&model_version=list-1") == ([], None)
    refused = client.get("/v1/feedback?feedback_type=love", key)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/feedback_type")


def test_other_projects_do_not_exist(client: Client, key: str, make_key: MakeKey, session: Session) -> None:
    """A key of another tenant gets 404, as for an id nobody ever used."""
    from feedback_ingest import keys
    from feedback_ingest.clock import utc_now
    from feedback_ingest.tables import Project

    session.add(Project(name="other"))
    session.flush()
    stranger = keys.create(session, "other", ["read"], utc_now()).key
    session.commit()
    given = event()
    client.post("/v1/feedback", key, given)

    assert client.get(f"/v1/feedback/{given['feedback_id']}", key).status_code == 200
    assert client.get(f"/v1/feedback/{given['feedback_id']}", stranger).status_code == 404


def test_a_revoked_key_ends(client: Client, make_key: MakeKey, session: Session) -> None:
    """Unknown, revoked and expired keys are one and the same 401, with WWW-Authenticate."""
    from datetime import timedelta

    from feedback_ingest import keys
    from feedback_ingest.clock import utc_now

    revoked, expired = make_key("ingest"), make_key("ingest", expires_at=utc_now() - timedelta(days=1))
    keys.revoke(session, keys.key_id_of(revoked), utc_now())
    session.commit()

    answers = [client.post("/v1/feedback", given, event()) for given in (revoked, expired, revoked[:-1] + "x", "zq")]

    assert {answer.status_code for answer in answers} == {401}
    assert len({json.dumps(answer.json() | {"request_id": ""}) for answer in answers}) == 1
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers)


def test_health_metrics_and_openapi(client: Client, key: str) -> None:
    """Operators find health, readiness and Prometheus text; the document declares every ingest operation."""
    document = client.get("/openapi.json").json()

    assert client.get("/healthz").json() == {"status": "ok"}
    assert 'feedback_events_total{kind="feedback",outcome="accepted"}' in client.get("/metrics").text
    assert {"/v1/feedback", "/v1/feedback/batch", "/v1/inferences", "/v1/inferences/batch"} <= set(document["paths"])
    assert set(document["components"]["schemas"]["Feedback"]["properties"]["feedback_type"]["enum"]) == set(collect())


def test_every_code_is_documented(client: Client) -> None:
    """The type of a problem leads to what it means and what to do."""
    from feedback_ingest.errors import every_code

    for code, (status, retryable, _) in every_code().items():
        page = client.get(f"/problems/{code}").json()
        assert (page["status"], page["retryable"]) == (status, retryable)
        assert page["meaning"]
