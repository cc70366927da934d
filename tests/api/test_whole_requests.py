"""Requests that are one thing: an Idempotency-Key, an atomic batch, a query that asks for what there is."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from tests.api.conftest import Client

MakeKey = Callable[..., str]
NDJSON = "application/x-ndjson"


@pytest.fixture(scope="module")
def key(make_key: MakeKey) -> str:
    """A server's key that may also read."""
    return make_key("ingest", "read")


def unnamed(**fields: Any) -> dict[str, Any]:
    """A valid event without an id."""
    base = {
        "inference_request_id": f"r-{uuid.uuid4()}",
        "model_version": "m-1",
        "feedback_type": "explicit_binary",
        "feedback_value": {"positive": True},
    }
    return base | fields


def named(**fields: Any) -> dict[str, Any]:
    """A valid event with an id of its own."""
    return unnamed(feedback_id=str(uuid.uuid4())) | fields


def count(session: Session, table: str = "feedback_events") -> int:
    """How many rows the table of the staging schema has."""
    session.rollback()
    return session.execute(text(f"SELECT count(*) FROM staging.{table}")).scalar_one()


@pytest.mark.parametrize("written", ["order-{}", '"order {} of \\"A\\""', '"order-{}"'])
def test_an_idempotency_key_names_the_event(client: Client, key: str, written: str) -> None:
    """A retry under the same key is a duplicate with the same feedback_id; a quoted key and a token are one key."""
    given, header = unnamed(), {"Idempotency-Key": written.format(uuid.uuid4())}

    first, again = (client.post("/v1/feedback", key, given, **header) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["feedback_id"] == again.json()["feedback_id"]
    assert uuid.UUID(first.json()["feedback_id"]).version == 5


def test_a_key_stands_for_one_body(client: Client, key: str, session: Session) -> None:
    """Another body under a used key, or an event that has a name already, is 422 and changes nothing."""
    header = {"Idempotency-Key": f"k-{uuid.uuid4()}"}
    client.post("/v1/feedback", key, unnamed(), **header)
    before = count(session)

    answers = [client.post("/v1/feedback", key, event, **header) for event in (unnamed(), named())]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert {answer.json()["code"] for answer in answers} == {"idempotency-key-reused"}
    assert count(session) == before


@pytest.mark.parametrize("media", ["application/json", NDJSON])
def test_a_key_names_each_event_of_a_batch(client: Client, key: str, session: Session, media: str) -> None:
    """The same batch again is all duplicates; another one under the key is 422 as a whole, with nothing stored."""
    headers = {"Idempotency-Key": f'"b-{uuid.uuid4()}"', "Content-Type": media}
    batch, other = [unnamed(), unnamed()], [unnamed(), unnamed(), unnamed()]
    spell = (lambda b: b"\n".join(json.dumps(e).encode() for e in b)) if media == NDJSON else (lambda b: {"events": b})

    first, again = (client.post("/v1/feedback/batch", key, spell(batch), **headers) for _ in range(2))
    before = count(session)
    refused = [client.post("/v1/feedback/batch", key, spell(b), **headers) for b in (other, [unnamed(), named()])]

    assert (first.status_code, again.status_code) == (201, 201)
    assert [r["status"] for r in again.json()["results"]] == ["duplicate", "duplicate"]
    assert [r["feedback_id"] for r in again.json()["results"]] == [r["feedback_id"] for r in first.json()["results"]]
    assert [(a.status_code, a.json()["code"]) for a in refused] == [(422, "idempotency-key-reused")] * 2
    assert count(session) == before


def test_a_key_belongs_to_its_project(client: Client, key: str, session: Session) -> None:
    """Two projects may use the same key for different bodies: the name is made from the project as well."""
    from feedback_ingest import keys
    from feedback_ingest.clock import utc_now
    from feedback_ingest.tables import Project

    session.add(Project(name="elsewhere"))
    session.flush()
    other = keys.create(session, "elsewhere", ["ingest"], utc_now()).key
    session.commit()
    header = {"Idempotency-Key": f"k-{uuid.uuid4()}"}

    answers = [client.post("/v1/feedback", sender, unnamed(), **header) for sender in (key, other)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["feedback_id"] != answers[1].json()["feedback_id"]


@pytest.mark.parametrize("written", ["", '""', '"open', "a,b", '"a";b=1', "x" * 256, '"\\n"', "\t"])
def test_a_key_that_is_none_is_refused(client: Client, key: str, written: str) -> None:
    """An empty, unclosed, listed or overlong key is told so; it is never taken for another."""
    answer = client.post("/v1/feedback", key, unnamed(), **{"Idempotency-Key": written})

    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")


@pytest.mark.parametrize("path", ["/v1/feedback/batch", "/v1/inferences/batch"])
@pytest.mark.parametrize("media", ["application/json", NDJSON])
def test_an_atomic_batch_of_good_events_is_stored(client: Client, key: str, path: str, media: str) -> None:
    """All are accepted, and known again the next time, as in any batch."""
    output = [{"output_id": "A", "content": "x"}]
    one = {"inference_request_id": f"i-{uuid.uuid4()}", "model_version": "m", "outputs": output}
    events = [one, one] if "inferences" in path else [named(), named()]
    body = b"\n".join(json.dumps(e).encode() for e in events) if media == NDJSON else {"events": events}

    answers = [client.post(f"{path}?atomic=true", key, body, **{"Content-Type": media}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert [result["status"] for result in answers[1].json()["results"]] == ["duplicate", "duplicate"]


def test_an_atomic_batch_with_a_bad_event_stores_nothing(client: Client, key: str, session: Session) -> None:
    """422 tells each one's verdict; only the bad one is held in the quarantine, its neighbours may be sent again."""
    before, held = count(session), count(session, "quarantined_items")
    events = [named(), named(feedback_type="love"), named()]

    answer = client.post("/v1/feedback/batch?atomic=true", key, {"events": events})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["errors"] == [{"pointer": "/events/1/feedback_type", "code": "not-allowed"}]
    assert body["counts"] == {"accepted": 0, "duplicate": 0, "conflict": 0, "refused": 3}
    assert [result["errors"][0]["code"] for result in body["results"]] == [
        "not-all-accepted", "not-allowed", "not-all-accepted",
    ]  # fmt: skip
    assert (count(session), count(session, "quarantined_items")) == (before, held + 1)


def test_an_atomic_batch_with_a_conflict_stores_nothing(client: Client, key: str, session: Session) -> None:
    """A conflict is found under the log's lock; what stood before it in the batch is taken back, without a gap."""
    known = named()
    first = client.post("/v1/feedback", key, known).json()["offset"]
    before, twin = count(session), named()
    events = [twin, twin, known, known | {"feedback_value": {"positive": False}}]

    answer = client.post("/v1/feedback/batch?atomic=true", key, {"events": events})
    after = client.post("/v1/feedback", key, twin)

    assert answer.status_code == 422
    assert [r["status"] for r in answer.json()["results"]] == ["refused", "refused", "duplicate", "conflict"]
    assert answer.json()["results"][3]["code"] == "feedback-id-conflict"
    assert count(session) == before + 1
    assert (after.status_code, after.json()["offset"]) == (201, first + 1)


@pytest.mark.parametrize("query", ["atomic=yes", "atomic", "atomic=true&atomic=true", "atomc=true", "x=1", "&&"])
@pytest.mark.parametrize("path", ["/v1/feedback", "/v1/feedback/batch", "/v1/inferences"])
def test_a_query_that_means_nothing_is_refused(client: Client, key: str, path: str, query: str) -> None:
    """A typo in a parameter would store half a batch; it is told instead, without being echoed."""
    body = {"events": [named()]} if path.endswith("batch") else named()

    answer = client.post(f"{path}?{query}", key, body)

    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    assert "atomc" not in answer.text


@pytest.mark.parametrize("scopes", [("ingest:public",), ("ingest",)])
def test_a_public_key_takes_nothing_back(client: Client, make_key: MakeKey, scopes: tuple[str, ...]) -> None:
    """A retraction or an edit by a browser's key is 403: anybody could undo anybody's feedback with it.

    So is a ground truth, which counts without a number of people behind it.
    """
    stored = named()
    sender = make_key(*scopes)
    client.post("/v1/feedback", sender, stored)
    undo = named(feedback_type="retraction", feedback_value={"retracts": stored["feedback_id"]})

    truth = named(feedback_type="ground_truth", feedback_value={"label": "refund"})

    answers = [client.post("/v1/feedback", sender, e) for e in (undo, named(supersedes=stored["feedback_id"]), truth)]

    expected = 403 if scopes == ("ingest:public",) else 201
    assert [answer.status_code for answer in answers] == [expected] * 3
