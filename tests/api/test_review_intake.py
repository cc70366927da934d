"""What comes to review by itself: items are opened as the stream sends them, and endpoints are told of each."""

import uuid
from collections.abc import Callable

import orjson
import pytest

from feedback_ingest.postgres import Database
from tests.api.conftest import Client
from tests.api.test_review import SPAM, act, claim, define, infer, open_items
from tests.stream.outboxes import rows
from tests.support.waiting import wait_for

MakeKey = Callable[..., str]
Stream = Callable[[], int]
PUBLIC = "https://93.184.215.14/hook"


@pytest.fixture(scope="module")
def admin(make_key: MakeKey) -> str:
    """A key that may do everything."""
    return make_key("admin")


def test_endpoints_are_told_what_becomes_of_items(
    client: Client, admin: str, make_key: MakeKey, stream: Stream, database: Database
) -> None:
    """Created, completed, adjudicated: each once, thin, and of gold items nothing."""
    stream()  # what was before the endpoint is told to nobody
    wanted = {"url": PUBLIC, "event_types": ["review.task.created", "review.task.completed", "review.task.adjudicated"]}
    endpoint = client.post("/v1/webhooks", admin, wanted).json()["id"]
    define(client, admin, "told", overlap=2)
    about = [infer(client, admin) for _ in range(3)]
    open_items(client, admin, "told", *({"inference_request_id": name} for name in about[:2]))
    open_items(client, admin, "told", {"inference_request_id": about[2], "gold": SPAM})
    reviewers = make_key("review"), make_key("review")
    for labels in (("spam", "spam"), ("spam", "ham")):
        for key, label in zip(reviewers, labels, strict=True):
            last = claim(client, key, "told")
            act(client, key, last, "submit", value={"label": label})
    client.post(f"/v1/review/tasks/{last['task_id']}/adjudicate", admin, {"value": SPAM})
    stream()

    told = rows(database, f"SELECT event_type, body FROM webhook_messages WHERE endpoint_id = '{endpoint}'")
    data = [(kind, orjson.loads(body)["data"]) for kind, body in told]
    assert sorted((kind, each.get("state")) for kind, each in data) == [
        ("review.task.adjudicated", "decided"),
        ("review.task.completed", "decided"),
        ("review.task.completed", "disputed"),
        ("review.task.created", None),
        ("review.task.created", None),
    ]
    assert {each["inference_request_id"] for _, each in data} == set(about[:2])
    assert {(each["queue_id"], "task_id" in each) for _, each in data} == {("told", True)}


def test_items_are_opened_without_anybody_asking(
    client: Client, admin: str, stream: Stream, database: Database
) -> None:
    """The app waits for what the stream sends, so an item is there, and told of, before a reviewer comes."""
    flag = {"feedback_type": "safety_flag", "feedback_value": {"category": "abuse", "severity": 4}}
    name = infer(client, admin)
    unknown = str(uuid.uuid4())
    for about in (name, unknown):
        event = {"inference_request_id": about, "model_version": "m1", **flag}
        assert client.post("/v1/feedback", admin, event).status_code == 201
    stream()

    query = "SELECT inference_request_id FROM review_tasks WHERE policy_id = 'safety'"
    wait_for(lambda: (name,) in rows(database, query))
    assert (unknown,) not in rows(database, query), "nobody can judge an answer that is not in the log"
