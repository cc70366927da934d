"""The training queue over HTTP: each example to one trainer of a group, until it is acknowledged, and not again."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from api import training_queue
from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from feedback_ingest.tables import Project
from feedback_loop.stream.queue import groups
from feedback_loop.stream.queue.tables import TrainingGroup
from tests.api.conftest import Client
from tests.api.trainers import ask, begin, ids, send
from tests.support.waiting import wait_for

MakeKey = Callable[..., str]


@pytest.fixture(scope="module")
def key(make_key: MakeKey) -> str:
    """A key that sends and reads."""
    return make_key("ingest", "read")


def test_each_group_learns_from_everything_once(
    client: Client, key: str, group: str, stream: Callable[[], int]
) -> None:
    """Oldest first, shared within a group; another group has its own; what is acknowledged does not come again."""
    begin(client, key, group, other := f"{group}-batch")
    names = send(client, key, 5)
    stream()

    first, second = (ask(client, key, "claim", group=group, limit=3, worker=f"w{n}") for n in range(2))
    told = ask(client, key, "ack", group=group, claim_id=first["claim_id"])
    rest = ask(client, key, "claim", group=group)
    whole = ask(client, key, "claim", group=other)

    assert (ids(first), ids(second), ids(rest), ids(whole)) == (names[:3], names[3:], [], names)
    assert told == {"acknowledged": 3, "withdrawn": [], "lost": []}
    example = first["examples"][0]
    assert (example["label"], example["model_name"], example["attempt"]) == (4, "digits", 1)
    assert example["example"]["inputs"] == {"n": names[0]} and example["example"]["answer_label"] == 3


def test_a_lease_that_is_over_goes_to_another(
    client: Client, key: str, group: str, stream: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was too slow is told so, and cannot acknowledge what another has now."""
    begin(client, key, group)
    names = send(client, key, 2)
    stream()
    slow = ask(client, key, "claim", group=group, lease_s=60)

    monkeypatch.setattr(training_queue, "utc_now", lambda: utc_now() + timedelta(seconds=61))
    quick = ask(client, key, "claim", group=group, lease_s=60, limit=1)
    late = ask(client, key, "ack", group=group, claim_id=slow["claim_id"], feedback_ids=names)

    assert ids(quick) == names[:1] and quick["examples"][0]["attempt"] == 2
    assert late == {"acknowledged": 1, "withdrawn": [], "lost": names[:1]}
    assert ask(client, key, "ack", group=group, claim_id=quick["claim_id"])["acknowledged"] == 1
    assert ids(ask(client, key, "claim", group=group)) == []


def test_what_is_given_back_comes_first(client: Client, key: str, group: str, stream: Callable[[], int]) -> None:
    """Before what was never lent, and without waiting for the lease's end."""
    begin(client, key, group)
    names = send(client, key, 4)
    stream()
    claimed = ask(client, key, "claim", group=group, limit=2)

    told = ask(client, key, "release", group=group, claim_id=claimed["claim_id"], feedback_ids=names[1:2])

    assert told == {"released": 1}
    assert ids(ask(client, key, "claim", group=group)) == names[1:]


def test_a_group_of_one_model(client: Client, key: str, group: str, stream: Callable[[], int]) -> None:
    """It is given that model's examples; another model is another group."""
    ask(client, key, "claim", group=group, model_name="tickets", **{"from": "latest"})
    send(client, key, 2)
    [own] = send(client, key, 1, model="tickets")
    stream()

    assert ids(ask(client, key, "claim", group=group, model_name="tickets")) == [own]
    refused = client.post("/v1/training-queue/claim", key, {"group": group, "model_name": "digits"})
    assert refused.json()["errors"] == [{"pointer": "/model_name", "code": "another-group"}]


def test_a_claim_waits_for_an_example(client: Client, key: str, group: str, stream: Callable[[], int]) -> None:
    """It is answered once the stream has made one, and empty when the time is over."""
    begin(client, key, group)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(ask, client, key, "claim", group=group, wait_ms=20_000)
        names = send(client, key, 1)
        stream()
        assert ids(waiting.result(20)) == names
    assert ids(ask(client, key, "claim", group=group, wait_ms=50)) == []


def race(client: Client, key: str, group: str) -> list[str]:
    """What eight trainers are given at once."""
    barrier = threading.Barrier(8)

    def work(_: int) -> list[str]:
        barrier.wait()
        found = list[str]()
        while more := ids(ask(client, key, "claim", group=group, limit=3)):
            found += more
        return found

    with ThreadPoolExecutor(8) as pool:
        return [name for found in pool.map(work, range(8)) for name in found]


def test_no_example_is_given_to_two(
    client: Client, key: str, group: str, stream: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight trainers at once share forty examples; planted, without the group's lock, some get the same."""
    begin(client, key, group)
    names = send(client, key, 40)
    stream()

    assert sorted(race(client, key, group)) == sorted(names)

    def unlocked(session: Session, project_id: int, name: str) -> TrainingGroup | None:
        return session.exec(
            select(TrainingGroup).where(TrainingGroup.project_id == project_id, TrainingGroup.name == name)
        ).first()

    monkeypatch.setattr(groups, "locked", unlocked)

    def is_given_twice() -> bool:
        ask(client, key, "replay", group=group, **{"from": "earliest"})
        return len(set(found := race(client, key, group))) < len(found)

    wait_for(is_given_twice, what="an example given to two")


@pytest.mark.parametrize(
    ("what", "body", "pointer"),
    [
        ("claim", {"group": "Bad name"}, "/group"),
        ("claim", {"limit": 0}, "/limit"),
        ("claim", {"limit": 1001}, "/limit"),
        ("claim", {"lease_s": 0}, "/lease_s"),
        ("claim", {"group": "new-one", "from": "soon"}, "/from"),
        ("claim", {"colour": "red"}, "/colour"),
        ("ack", {"group": "default"}, "/claim_id"),
        ("ack", {"claim_id": "c", "feedback_ids": []}, "/feedback_ids"),
        ("replay", {}, "/from"),
    ],
)
def test_what_cannot_be_asked_is_named(client: Client, key: str, what: str, body: Any, pointer: str) -> None:
    """422, with the field."""
    refused = client.post(f"/v1/training-queue/{what}", key, body)

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)


def test_a_project_has_its_own_queue(
    client: Client, key: str, group: str, stream: Callable[[], int], database: Database
) -> None:
    """Neither its examples nor its groups are another's; a group that is forgotten is none."""
    with Session(database.engine) as session:
        session.add(Project(name="elsewhere"))
        session.flush()
        stranger = keys.create(session, "elsewhere", ["read"], utc_now()).key
        session.commit()
    begin(client, key, group)
    send(client, key, 1)
    stream()

    assert ids(ask(client, stranger, "claim", group=group)) == []
    assert len(client.get("/v1/training-queue", stranger).json()["groups"]) == 1
    claimed = ask(client, key, "claim", group=group)
    assert ask(client, stranger, "ack", group=group, claim_id=claimed["claim_id"])["acknowledged"] == 0
    assert client.delete(f"/v1/training-queue/{group}", stranger).status_code == 204
    assert group in [one["name"] for one in client.get("/v1/training-queue", key).json()["groups"]]
    assert client.post("/v1/training-queue/ack", stranger, {"group": group, "claim_id": "c"}).status_code == 404
