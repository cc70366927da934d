"""Review over HTTP: what routes lead there is claimable at once, is judged blind, and comes back as a verdict."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import Session

from feedback_ingest import keys, log
from feedback_ingest.clock import utc_now
from feedback_ingest.keys import key_id_of
from feedback_ingest.postgres import Database
from feedback_ingest.tables import Project
from feedback_loop.review.folding import OPENED
from tests.api.conftest import Client

MakeKey = Callable[..., str]
Stream = Callable[[], int]
SPAM = {"label": "spam"}


@pytest.fixture(scope="module")
def admin(make_key: MakeKey) -> str:
    """A key that may do everything."""
    return make_key("admin")


@pytest.fixture
def queue(client: Client, admin: str) -> str:
    """A queue of the test's own, which asks two reviewers."""
    name = f"q-{uuid.uuid4().hex[:8]}"
    assert define(client, admin, name, overlap=2).status_code == 201
    return name


def define(client: Client, key: str, name: str, **told: Any) -> Any:
    """The answer to a definition."""
    return client.post("/v1/review/queues", key, {"queue_id": name, **told})


def infer(client: Client, key: str, answer: Any = "spam", **told: Any) -> str:
    """A logged inference; its name."""
    name = str(uuid.uuid4())
    output = {"output_id": "A", "content": {"label": answer}, "probabilities": [0.9, 0.1]}
    body = {"inference_request_id": name, "model_name": "mail", "model_version": "m1", "inputs": {"text": "Hi!"}}
    assert client.post("/v1/inferences", key, {**body, "outputs": [output], **told}).status_code == 201
    return name


def open_items(client: Client, key: str, queue: str, *tasks: dict[str, Any]) -> list[str]:
    """The ids of the tasks."""
    answer = client.post(f"/v1/review/queues/{queue}/tasks", key, {"tasks": list(tasks)})
    assert answer.status_code == 200, answer.text
    found: list[str] = answer.json()["task_ids"]
    return found


def claim(client: Client, key: str, queue: str, *at_hand: str) -> Any:
    """The task that is given, or None."""
    answer = client.post(f"/v1/review/queues/{queue}/claim", key, {"at_hand": list(at_hand)})
    assert answer.status_code == 200, answer.text
    return answer.json()["task"]


def act(client: Client, key: str, task: Any, what: str, **told: Any) -> Any:
    """The answer to what is done with a claimed task."""
    return client.post(f"/v1/review/tasks/{task['task_id']}/{what}", key, {"lease_id": task["lease_id"], **told})


def test_what_a_route_sends_to_review_comes_back_as_a_verdict(
    client: Client, admin: str, make_key: MakeKey, stream: Stream, database: Database
) -> None:
    """Claimable by the next claim, once an inference; the verdict is in the log and outweighs what it was about."""
    route = {"route_id": "to-people", "where": {"tags": {"doubt": "yes"}}, "sinks": ["review"]}
    assert client.post("/v1/routes", admin, route).status_code == 201
    assert define(client, admin, "doubts", routes=["to-people"], options=["spam", "ham"]).status_code == 201
    reviewer, name = make_key("review"), infer(client, admin)
    for label in ("ham", "ham"):
        event = {"inference_request_id": name, "model_version": "m1", "feedback_type": "explicit_label"}
        told = {"feedback_value": {"label": label}, "tags": {"doubt": "yes"}}
        assert client.post("/v1/feedback", admin, event | told).status_code == 201
    stream()

    task = claim(client, reviewer, "doubts")
    assert task["item"]["inference"]["inputs"] == {"text": "Hi!"}
    assert task["item"]["inference"]["outputs"] == [{"output_id": "A", "content": {"label": "spam"}}]
    assert task["asked"]["options"] == ["spam", "ham"] and "feedback" not in task["item"]
    assert claim(client, reviewer, "doubts", task["task_id"]) is None
    wrong = act(client, reviewer, task, "submit", value={"label": "eggs"})
    judged = act(client, reviewer, task, "submit", value={"label": "ham"}).json()
    stream()

    assert wrong.json()["errors"] == [{"pointer": "/value/label", "code": "not-allowed"}]
    verdict = client.get(f"/v1/feedback/{judged['verdict']}", admin).json()
    assert verdict["feedback_type"] == "review_label" and verdict["attribution"]["state"] == "attributed"
    assert verdict["feedback_value"] == {
        "label": "ham",
        "task_id": task["task_id"],
        "annotators": [key_id_of(reviewer)],
        "method": "majority",
    }
    assert verdict["source"] == {"kind": "reviewer", "id": "review/doubts"}
    with Session(database.engine) as session:
        opened = [row for row in log.read(session, 0, 10_000, [OPENED]) if row.body["queue_id"] == "doubts"]
    assert len(opened) == 1


def test_reviewers_do_not_see_each_other(client: Client, admin: str, queue: str, make_key: MakeKey) -> None:
    """Two are asked, each once; neither the task nor the log tells one what the other said; a third is not asked."""
    one, two, three = (make_key("review") for _ in range(3))
    [task_id] = open_items(client, admin, queue, {"inference_request_id": infer(client, admin)})

    first = claim(client, one, queue)
    assert act(client, one, first, "submit", value=SPAM).json() == {"state": "submitted"}
    again = act(client, one, first, "submit", value=SPAM)
    changed = act(client, one, first, "submit", value={"label": "ham"})
    second = claim(client, two, queue)

    assert (again.status_code, changed.status_code, changed.json()["code"]) == (200, 409, "task-moved-on")
    assert claim(client, one, queue) is None and claim(client, three, queue) is None
    hidden = ("lease_id", "leased_until")
    assert {k: v for k, v in first.items() if k not in hidden} == {k: v for k, v in second.items() if k not in hidden}
    assert client.get("/v1/log?kinds=review_label_submitted", two).status_code == 403
    assert [each["reviewer"] for each in client.get(f"/v1/review/queues/{queue}/stats", admin).json()["reviewers"]]
    judged = act(client, two, second, "submit", value=SPAM).json()
    verdict = client.get(f"/v1/feedback/{judged['verdict']}", admin).json()["feedback_value"]
    assert (judged["state"], verdict["task_id"], verdict["agreement"]) == ("decided", task_id, 1)
    assert verdict["annotators"] == sorted(map(key_id_of, (one, two)))


def test_what_is_disputed_is_left_to_an_expert(client: Client, admin: str, make_key: MakeKey) -> None:
    """One against one is no verdict; the expert sees both labels, and what was escalated, and decides."""
    one, two, expert = (make_key("review") for _ in range(3))
    people = {key_id_of(one): {}, key_id_of(two): {}, key_id_of(expert): {"expert": True}}
    assert define(client, admin, "strict", overlap=2, reviewers=people).status_code == 201
    open_items(client, expert, "strict", *({"inference_request_id": infer(client, admin)} for _ in range(2)))

    for key, label in ((one, "spam"), (two, "ham")):
        told = act(client, key, claim(client, key, "strict"), "submit", value={"label": label}).json()
    assert told == {"state": "disputed"}
    assert act(client, one, claim(client, one, "strict"), "escalate", reason="in Finnish").status_code == 200
    assert claim(client, two, "strict") is None
    left = client.get("/v1/review/queues/strict/tasks", expert).json()["tasks"]
    assert [(task["state"], len(task["labels"])) for task in left] == [("disputed", 2), ("escalated", 0)]
    word = f"/v1/review/tasks/{left[0]['task_id']}/adjudicate"
    assert client.post(word, one, {"value": SPAM}).status_code == 403
    decided = client.post(word, expert, {"value": SPAM, "golden": True})

    assert decided.json()["state"] == "decided" and client.post(word, expert, {"value": SPAM}).status_code == 409
    verdict = client.get(f"/v1/feedback/{decided.json()['verdict']}", admin).json()["feedback_value"]
    assert (verdict["method"], verdict["agreement"], verdict["golden"]) == ("expert", 0, True)
    assert define(client, one, "strict").status_code == 403
    assert client.post("/v1/review/queues/strict/claim", make_key("review"), {}).status_code == 403
    assert "reviewers" not in next(
        each for each in client.get("/v1/review/queues", one).json()["queues"] if each["queue_id"] == "strict"
    )


def test_skills_limits_and_priority(client: Client, admin: str, make_key: MakeKey) -> None:
    """The most urgent first, the model's doubt before its certainty; what takes a skill goes to whoever has it."""
    plain, finnish = make_key("review"), make_key("review")
    people = {key_id_of(plain): {"max_per_day": 2}, key_id_of(finnish): {"skills": ["fi"], "max_per_day": 9}}
    define(client, admin, "skilled", reviewers=people, max_leases=3)
    sure, doubt, urgent, foreign = (infer(client, admin, **told) for told in ({}, {"confidence": 0.5}, {}, {}))
    tasks: list[dict[str, Any]] = [{"inference_request_id": name} for name in (sure, doubt, urgent, foreign)]
    tasks[2]["priority"] = 900
    tasks[3]["skill"] = "fi"
    open_items(client, admin, "skilled", *tasks)

    given = [claim(client, plain, "skilled")]
    given.append(claim(client, plain, "skilled", given[0]["task_id"]))
    none = client.post(
        "/v1/review/queues/skilled/claim", plain, {"at_hand": [each["task_id"] for each in given]}
    ).json()

    names = [each["item"]["inference"]["inference_request_id"] for each in given]
    assert names == [urgent, doubt] and none == {"task": None, "reason": "daily-limit"}
    act(client, plain, given[0], "release")
    act(client, plain, given[1], "skip", reason="not for me")
    theirs: list[Any] = []
    while task := claim(client, finnish, "skilled", *(each["task_id"] for each in theirs)):
        theirs.append(task)
    names = [each["item"]["inference"]["inference_request_id"] for each in theirs]
    assert names[:2] == [urgent, doubt] and len(names) == 3
    refused = client.post(
        "/v1/review/queues/skilled/tasks", admin, {"tasks": [{"inference_request_id": sure, "skill": "sv"}]}
    )
    assert refused.json()["errors"] == [{"pointer": "/tasks/0/skill", "code": "not-registered"}]


def test_gold_items_measure_reviewers(client: Client, admin: str, make_key: MakeKey) -> None:
    """A new reviewer begins with them and cannot tell; they bring no verdict, and everybody may have each once."""
    good, bad = make_key("review"), make_key("review")
    define(client, admin, "trained", training=2, gold_share=0.1)
    known = [{"inference_request_id": infer(client, admin), "gold": SPAM} for _ in range(2)]
    open_items(client, admin, "trained", *known, {"inference_request_id": infer(client, admin)})

    seen = []
    for key, label in ((good, "spam"), (bad, "ham")):
        for _ in range(2):
            task = claim(client, key, "trained")
            seen.append(task.keys())
            assert act(client, key, task, "submit", value={"label": label}).json() == {"state": "submitted"}
    last = claim(client, good, "trained")
    told = client.get("/v1/review/queues/trained/stats", admin).json()

    assert last.keys() == seen[0] and act(client, good, last, "submit", value=SPAM).json()["state"] == "decided"
    gold = {each["reviewer"]: each["gold"] for each in told["reviewers"]}
    assert gold == {key_id_of(good): {"asked": 2, "right": 2}, key_id_of(bad): {"asked": 2, "right": 0}}
    assert (told["waiting"], told["labels"], told["leased"]) == (0, 4, 1)


def test_pairs_are_judged_as_preferences(client: Client, admin: str, make_key: MakeKey) -> None:
    """The verdict of a pair is a preference, with how it was found beside it, and never a label."""
    define(client, admin, "pairs", feedback_type="preference_pair")
    outputs = [{"output_id": name, "content": f"Answer {name}"} for name in "AB"]
    open_items(client, admin, "pairs", {"inference_request_id": infer(client, admin, outputs=outputs)})
    reviewer = make_key("review")

    judged = act(client, reviewer, claim(client, reviewer, "pairs"), "submit", value={"preferred_output_id": "B"})

    verdict = client.get(f"/v1/feedback/{judged.json()['verdict']}", admin).json()
    assert (verdict["feedback_type"], verdict["feedback_value"]) == ("preference_pair", {"preferred_output_id": "B"})
    assert verdict["metadata"]["review"]["annotators"] == [key_id_of(reviewer)]


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("queues", {"queue_id": "No Name"}, "/queue_id"),
        ("queues", {"queue_id": "q", "overlap": 0}, "/overlap"),
        ("queues", {"queue_id": "q", "method": "dice"}, "/method"),
        ("queues", {"queue_id": "q", "feedback_type": "implicit_click"}, "/feedback_type"),
        ("queues", {"queue_id": "q", "feedback_type": "preference_pair", "options": ["a"]}, "/options"),
        ("queues/default/tasks", {"tasks": []}, "/tasks"),
        ("queues/default/tasks", {"tasks": [{"inference_request_id": "nobody"}]}, "/tasks/0/inference_request_id"),
        ("queues/default/claim", {"colour": "red"}, "/colour"),
        ("tasks/none/submit", {"lease_id": "l"}, "/value"),
    ],
)
def test_what_cannot_be_asked_is_named(client: Client, admin: str, path: str, body: Any, pointer: str) -> None:
    """422, with the field."""
    refused = client.post(f"/v1/review/{path}", admin, body)

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)


def test_a_project_reviews_its_own(client: Client, admin: str, queue: str, database: Database) -> None:
    """Queues and tasks of one project are not there for another."""
    with Session(database.engine) as session:
        session.add(Project(name="elsewhere"))
        session.flush()
        stranger = keys.create(session, "elsewhere", ["admin"], utc_now()).key
        session.commit()
    open_items(client, admin, queue, {"inference_request_id": infer(client, admin)})
    task = claim(client, admin, queue)

    assert client.post(f"/v1/review/queues/{queue}/claim", stranger, {}).status_code == 404
    assert act(client, stranger, task, "submit", value=SPAM).status_code == 404
    assert [each["queue_id"] for each in client.get("/v1/review/queues", stranger).json()["queues"]] == ["default"]
    assert act(client, admin, task, "submit", value=SPAM).status_code == 200
