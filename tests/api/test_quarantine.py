"""The quarantine: what was refused is kept, mended, sent again under its own id, or set aside."""

import json
import random
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from tests.api.conftest import Client

MakeKey = Callable[..., str]
MERGE = "application/merge-patch+json"


@pytest.fixture(scope="module")
def key(make_key: MakeKey) -> str:
    """A server's key."""
    return make_key("ingest", "read")


@pytest.fixture(scope="module")
def admin(make_key: MakeKey) -> str:
    """An operator's key."""
    return make_key("admin")


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


def refused(client: Client, key: str, admin: str, **fields: Any) -> tuple[dict[str, Any], str]:
    """An event the door refuses, and its place in the quarantine."""
    given = event(**{"feedback_value": {"positive": "zq7"}, **fields})
    assert client.post("/v1/feedback", key, given).status_code == 422
    newest = client.get("/v1/quarantine", admin).json()["items"][0]
    return given, newest["id"]


def in_log(session: Session, feedback_id: str) -> int:
    """How often the log holds the event."""
    session.rollback()
    found = "SELECT count(*) FROM staging.feedback_events WHERE kind = 'feedback' AND id = :id"
    return session.execute(text(found), {"id": feedback_id}).scalar_one()


def test_it_is_listed_and_shown(client: Client, key: str, admin: str) -> None:
    """With stage, code and pointers; the list holds no event, the item holds it whole, with a pseudonym for a name."""
    given, place = refused(client, key, admin, user_context={"user_id": "alice@example.com"})

    listed = client.get("/v1/quarantine?stage=door&code=validation-failed", admin)
    shown = client.get(f"/v1/quarantine/{place}", admin)

    row = listed.json()["items"][0]
    assert (row["id"], row["status"], row["stage"]) == (place, "held", "door")
    assert row["errors"] == [{"pointer": "/feedback_value/positive", "code": "wrong-type"}]
    assert row["event_id"] == given["feedback_id"]
    assert "zq7" not in listed.text and "alice" not in listed.text + shown.text
    whole = shown.json()["event"]
    assert whole["user_context"]["user_id"].startswith("p_")
    assert {**whole, "user_context": given["user_context"]} == given
    assert client.get("/v1/quarantine?code=unstorable", admin).json()["items"] == []


def test_mended_and_replayed_under_its_own_id(client: Client, key: str, admin: str, session: Session) -> None:
    """A Merge Patch is kept beside the original; the replay is the receipt the client would have got; twice is once."""
    given, place = refused(client, key, admin, user_context={"user_id": "bob"})

    mended = client.patch(f"/v1/quarantine/{place}", admin, {"feedback_value": {"positive": True}}, MERGE)
    before = in_log(session, given["feedback_id"])
    first = client.post(f"/v1/quarantine/{place}/replay", admin, {})
    again = client.post(f"/v1/quarantine/{place}/replay", admin, {})

    assert (mended.status_code, mended.json()["errors"], before) == (200, [], 0)
    assert mended.json()["event"]["feedback_value"] == {"positive": "zq7"}
    assert mended.json()["mended"]["feedback_value"] == {"positive": True}
    assert (first.json()["status"], again.json()["status"]) == ("accepted", "duplicate")
    assert first.json()["offset"] == again.json()["offset"]
    assert in_log(session, given["feedback_id"]) == 1
    shown = client.get(f"/v1/quarantine/{place}", admin).json()
    assert (shown["status"], shown["offset"]) == ("replayed", first.json()["offset"])
    sent_again = client.post("/v1/feedback", key, given | {"feedback_value": {"positive": True}})
    assert sent_again.json()["status"] == "duplicate", "the client's own correction is the same event, person and all"
    late = client.patch(f"/v1/quarantine/{place}", admin, {"tags": {"a": "b"}}, MERGE)
    assert late.status_code == 422


def test_it_occurred_when_it_was_first_received(client: Client, key: str, admin: str, session: Session) -> None:
    """An event that names no time belongs to the time of its first receipt, not of its replay."""
    given, place = refused(client, key, admin)
    client.patch(f"/v1/quarantine/{place}", admin, event(feedback_id=given["feedback_id"]))

    offset = client.post(f"/v1/quarantine/{place}/replay", admin, {}).json()["offset"]

    session.rollback()
    row = session.execute(
        text(
            "SELECT e.occurred_at = q.received_at AS same, e.received_at > q.received_at AS later "
            "FROM staging.feedback_events e, staging.quarantined_items q "
            "WHERE e.log_offset = :offset AND q.item_id = :item"
        ),
        {"offset": offset, "item": int(place)},
    ).one()
    assert (row.same, row.later) == (True, True)


def test_what_is_still_wrong_stays_held(client: Client, key: str, admin: str, session: Session) -> None:
    """The replay answers as the door does, and makes no second item of it."""
    given, place = refused(client, key, admin)
    count = len(client.get("/v1/quarantine", admin).json()["items"])

    answer = client.post(f"/v1/quarantine/{place}/replay", admin, {})

    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    assert len(client.get("/v1/quarantine", admin).json()["items"]) == count
    assert client.get(f"/v1/quarantine/{place}", admin).json()["status"] == "held"
    assert in_log(session, given["feedback_id"]) == 0


@pytest.mark.parametrize(("is_imported", "answered"), [(True, 200), (False, 403)])
def test_a_verdict_comes_back_from_an_import_alone(
    client: Client, key: str, admin: str, session: Session, is_imported: bool, answered: int
) -> None:
    """An operator at the shell may write verdicts, and so may the replay of what they imported; an ingest key's not."""
    label = {"label": 3, "task_id": "t-1", "annotators": ["p_a"], "method": "majority"}
    given, place = refused(client, key, admin, feedback_type="review_label")
    if is_imported:
        session.execute(text(f"UPDATE staging.quarantined_items SET key_id = 'command-line' WHERE item_id = {place}"))
        session.commit()

    mended = client.patch(f"/v1/quarantine/{place}", admin, {"feedback_value": label | {"positive": None}}, MERGE)
    replayed = client.post(f"/v1/quarantine/{place}/replay", admin, {})

    assert mended.json()["errors"] == ([] if is_imported else [{"pointer": "/feedback_type", "code": "above-the-cap"}])
    assert replayed.status_code == answered
    assert in_log(session, given["feedback_id"]) == int(is_imported)


def test_a_conflict_stays_held(client: Client, key: str, admin: str) -> None:
    """Where the client has sent other content under the id meanwhile, that stands."""
    given, place = refused(client, key, admin)
    client.post("/v1/feedback", key, given | {"feedback_value": {"positive": False}})
    client.patch(f"/v1/quarantine/{place}", admin, {"feedback_value": {"positive": True}}, MERGE)

    answer = client.post(f"/v1/quarantine/{place}/replay", admin, {})

    assert (answer.status_code, answer.json()["code"]) == (409, "feedback-id-conflict")
    assert client.get(f"/v1/quarantine/{place}", admin).json()["status"] == "held"


def test_a_mend_makes_no_other_event(client: Client, key: str, admin: str) -> None:
    """The id stays; other media types and bodies that are no JSON change nothing."""
    _, place = refused(client, key, admin)

    other = client.patch(f"/v1/quarantine/{place}", admin, event())
    media = client.patch(f"/v1/quarantine/{place}", admin, {}, "text/plain")

    assert (other.status_code, other.json()["errors"][0]["code"]) == (422, "must-not-change")
    assert media.status_code == 415
    assert client.get(f"/v1/quarantine/{place}", admin).json()["mended"] is None


def test_an_event_without_a_name_is_stored_once(client: Client, key: str, admin: str, session: Session) -> None:
    """Replaying it twice gives the one id that the quarantine named it by."""
    nameless = {name: value for name, value in event(feedback_type="love").items() if name != "feedback_id"}
    client.post("/v1/feedback", key, nameless)
    place = client.get("/v1/quarantine", admin).json()["items"][0]["id"]
    client.patch(f"/v1/quarantine/{place}", admin, {"feedback_type": "explicit_binary"}, MERGE)

    answers = [client.post(f"/v1/quarantine/{place}/replay", admin, {}).json() for _ in range(2)]

    assert answers[0]["event_id"] == answers[1]["event_id"]
    assert in_log(session, answers[0]["event_id"]) == 1


def test_set_aside(client: Client, key: str, admin: str) -> None:
    """A discarded item is no longer held; decisions about the quarantine are in the audit."""
    _, place = refused(client, key, admin)

    answer = client.post(f"/v1/quarantine/{place}/discard", admin, {})

    assert answer.json()["status"] == "discarded"
    assert place not in [row["id"] for row in client.get("/v1/quarantine", admin).json()["items"]]
    assert client.get("/v1/quarantine?status=discarded", admin).json()["items"][0]["id"] == place
    newest = client.get("/v1/audit", admin).json()["decisions"][0]
    assert (newest["kind"], newest["subject"]) == ("quarantine_discarded", place)


@pytest.mark.parametrize("place", ["0", "x", "-1", "9" * 30, "1;DROP TABLE", "%27"])
def test_an_unknown_item_is_404(client: Client, admin: str, place: str) -> None:
    """Whatever is written there."""
    assert client.get(f"/v1/quarantine/{place}", admin).status_code == 404
    assert client.post(f"/v1/quarantine/{place}/replay", admin, {}).status_code == 404


def mixed(choice: random.Random, known: list[dict[str, Any]]) -> str:
    """One line of a batch: new, known, in conflict, invalid, or no JSON."""
    one = choice.choice(known)
    lines = (
        json.dumps(event()),
        json.dumps(one),
        json.dumps(one | {"model_version": "other"}),
        json.dumps(event(feedback_value={"positive": 3})),
        '{"feedback_id":',
    )
    return choice.choice(lines)


def test_ten_thousand_mixed_items_add_up(client: Client, admin: str, session: Session) -> None:
    """accepted + duplicate + conflict + refused = sent; the quarantine holds exactly the refusals that are JSON."""
    made = client.post("/v1/projects", admin, {"name": "mixed"}).json()["credential"]["key"]
    choice, known = random.Random(7), [event() for _ in range(200)]
    counts: Counter[str] = Counter()
    codes: Counter[str] = Counter()

    for _ in range(10):
        lines = "\n".join(mixed(choice, known) for _ in range(1_000)).encode()
        answer = client.post("/v1/feedback/batch", made, lines, **{"Content-Type": "application/x-ndjson"}).json()
        counts.update(answer["counts"])
        codes.update(result["code"] for result in answer["results"] if result["status"] == "refused")
    again = client.post("/v1/quarantine/replay", made, {"limit": 500}).json()["counts"]

    assert counts.total() == 10_000 and min(counts.values()) > 0
    assert set(codes) == {"validation-failed", "malformed-json"}
    session.rollback()
    held = "SELECT count(*) FROM staging.quarantined_items JOIN projects USING (project_id) WHERE name = 'mixed'"
    stored = (
        "SELECT count(*) FROM staging.feedback_events JOIN projects USING (project_id) "
        "WHERE name = 'mixed' AND kind = 'feedback'"
    )
    assert again == {"accepted": 0, "duplicate": 0, "conflict": 0, "refused": 500}
    assert session.execute(text(held)).scalar_one() == codes["validation-failed"], "a replay in vain adds none"
    assert session.execute(text(stored)).scalar_one() == counts["accepted"]


def test_many_are_replayed_by_filter(client: Client, admin: str, session: Session) -> None:
    """What an operator mended goes in one request; other projects' items do not exist for it."""
    made = client.post("/v1/projects", admin, {"name": "many"}).json()["credential"]["key"]
    for _ in range(3):
        _, place = refused(client, made, made)
        client.patch(f"/v1/quarantine/{place}", made, {"feedback_value": {"positive": True}}, MERGE)

    wrong = client.post("/v1/quarantine/replay", made, {"code": "unstorable"}).json()
    done = client.post("/v1/quarantine/replay", made, {"code": "validation-failed"}).json()

    assert sum(wrong["counts"].values()) == 0
    assert done["counts"]["accepted"] == 3
    assert client.get("/v1/quarantine", made).json()["items"] == []
    assert client.get(f"/v1/quarantine/{place}", admin).status_code == 404
    newest = client.get("/v1/audit", made).json()["decisions"][0]
    assert (newest["kind"], len(newest["items"])) == ("quarantine_replayed", 3)
