"""Review policies over HTTP: what they flag is claimable at once, within their budgets, and never twice."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_loop.review.folding import OPENED
from feedback_loop.review.intake import BUDGET_SPENT
from tests.api.conftest import Client
from tests.api.test_review import act, claim, define, infer

MakeKey = Callable[..., str]
Stream = Callable[[], int]


@pytest.fixture(scope="module")
def admin(make_key: MakeKey) -> str:
    """A key that may do everything."""
    return make_key("admin")


@pytest.fixture
def queue(client: Client, admin: str) -> str:
    """A queue of the test's own."""
    name = f"q-{uuid.uuid4().hex[:8]}"
    assert define(client, admin, name).status_code == 201
    return name


def state(client: Client, key: str, **told: Any) -> Any:
    """The answer to a policy."""
    return client.post("/v1/policies/review", key, told)


def told(database: Database, kind: str, **of: Any) -> list[dict[str, Any]]:
    """The bodies of facts of a kind that say this."""
    with Session(database.engine) as session:
        rows = log.read(session, 0, 100_000, [kind])
    return [row.body for row in rows if of.items() <= row.body.items()]


def test_what_a_policy_flags_is_given_to_people(
    client: Client, admin: str, queue: str, make_key: MakeKey, stream: Stream, database: Database
) -> None:
    """The most doubtful first, with the policy as the reason and its share in the log; each once, whoever asks."""
    reviewer = make_key("review")
    made = state(client, admin, policy_id=queue, reason="low_confidence", queue_id=queue, threshold=0.95)
    assert (made.status_code, made.json()["version"]) == (201, 1)
    doubt, sure = infer(client, admin, confidence=0.4), infer(client, admin)
    stream()

    first = claim(client, reviewer, queue)
    second = claim(client, reviewer, queue, first["task_id"])
    assert claim(client, reviewer, queue, first["task_id"], second["task_id"]) is None
    names = [each["item"]["inference"]["inference_request_id"] for each in (first, second)]
    assert (
        sorted(names) == sorted([doubt, sure])
        and first["reason"] == f"policy {queue}: low_confidence: 0.9 is below 0.95"
    )
    [fact] = told(database, OPENED, subject=first["task_id"])
    assert (fact["policy_id"], fact["policy_version"], fact["share"], fact["actor"]) == (queue, 1, 1, "policies")
    opened = client.post(f"/v1/review/queues/{queue}/tasks", admin, {"tasks": [{"inference_request_id": doubt}]})
    assert opened.json()["opened"] == 0
    assert act(client, reviewer, first, "submit", value={"label": "ham"}).json()["state"] == "decided"


def test_a_budget_ends_for_the_day_and_says_so(
    client: Client, admin: str, queue: str, stream: Stream, database: Database
) -> None:
    """The first so many of a day; a fact tells that there were more, once, and what an audit leaves out is nothing."""
    state(client, admin, policy_id=queue, reason="low_confidence", queue_id=queue, threshold=0.95, per_day=2)
    for _ in range(2):
        for _ in range(3):
            infer(client, admin)
        stream()
        claim(client, admin, queue)

    shown = client.get("/v1/policies/review", admin).json()["policies"]
    assert [each["opened_today"] for each in shown if each["policy_id"] == queue] == [2]
    assert len(told(database, OPENED, queue_id=queue)) == 2
    [spent] = told(database, BUDGET_SPENT, subject=queue)
    assert (spent["per_day"], spent["day"]) == (2, str(utc_now().date()))


def test_policies_are_the_projects_own_words(client: Client, admin: str, queue: str, make_key: MakeKey) -> None:
    """Defined, changed and taken back by an administrator, with every change in the audit; faults name the field."""
    policy = {"policy_id": queue, "reason": "random_audit", "share": 0.1, "queue_id": queue}
    assert state(client, make_key("review"), **policy).status_code == 403
    assert state(client, admin, **policy).status_code == 201
    assert state(client, admin, **policy | {"share": 0.2}).json()["version"] == 2
    wrong = state(client, admin, **policy | {"per_day": 5})
    assert (wrong.status_code, wrong.json()["errors"]) == (422, [{"pointer": "/per_day", "code": "not-allowed"}])
    assert client.delete(f"/v1/policies/review/{queue}", admin).json() == {"removed": queue}

    shown = client.get("/v1/policies/review", make_key("read")).json()["policies"]
    assert "safety" in {each["policy_id"] for each in shown} and queue not in {each["policy_id"] for each in shown}
    assert client.delete(f"/v1/policies/review/{queue}", admin).status_code == 404
    seen = client.get("/v1/audit", admin).json()["decisions"]
    assert [each["kind"] for each in seen if each["subject"] == queue][:3] == [
        "review_policy_removed",
        "review_policy_defined",
        "review_policy_defined",
    ]


def test_what_is_unlike_the_training_set_is_given_to_people(
    client: Client, admin: str, queue: str, stream: Stream, database: Database, pepper: Pepper
) -> None:
    """By the sample that the dataset's fact names: a question of another kind is novel, one more of the same is not."""
    learnt = [asked(client, admin, "v0", f"please refund my order number {n}") for n in range(20)]
    before = asked(client, admin, queue, "quelle heure est il")
    with Session(database.engine) as session:
        offsets = [row.log_offset for row in log.read(session, 0, 100_000, ["inference"]) if row.id in learnt]
        body = {"model_name": "letters", "dataset_version": queue, "sample": offsets}
        log.append(session, [Fact(1, "dataset_compiled", queue, body, utc_now())], utc_now(), pepper)
        session.commit()
    state(client, admin, policy_id=queue, reason="novelty", queue_id=queue, threshold=0.6, model_name="letters")
    same, other = (asked(client, admin, queue, text) for text in ("refund my order number 7 please", "wo ist der Zug"))
    increment = asked(client, admin, f"{queue}.increment-9", "kde je vlak")
    stream()

    first = claim(client, admin, queue)
    second = claim(client, admin, queue, first["task_id"])
    assert claim(client, admin, queue, first["task_id"], second["task_id"]) is None
    given = {each["item"]["inference"]["inference_request_id"] for each in (first, second)}
    assert given == {other, increment} and not given & {before, same}
    assert first["reason"].startswith(f"policy {queue}: novelty: ")


def asked(client: Client, key: str, version: str, text: str) -> str:
    """An inference of the model `letters` about a text; its name."""
    name = uuid.uuid4().hex
    body = {"inference_request_id": name, "model_name": "letters", "model_version": version, "inputs": {"text": text}}
    body["outputs"] = [{"output_id": "A", "content": {"label": "ham"}}]
    assert client.post("/v1/inferences", key, body).status_code == 201
    return name
