"""The training queue while it changes: what is taken back, comes late, is rebuilt or replayed."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.rebuild import rebuild
from tests.api.conftest import PEPPER, Client
from tests.api.trainers import ask, begin, ids, retract, send

MakeKey = Callable[..., str]


@pytest.fixture(scope="module")
def key(make_key: MakeKey) -> str:
    """A key that sends and reads."""
    return make_key("ingest", "read")


def test_what_is_taken_back_leaves_the_queue(
    client: Client, make_key: MakeKey, group: str, stream: Callable[[], int]
) -> None:
    """Before it is lent it is not lent; afterwards the acknowledgement tells of it."""
    key = make_key("ingest", "read", "review")
    begin(client, key, group)
    names = send(client, key, 3)
    stream()
    claimed = ask(client, key, "claim", group=group, limit=1)
    for name in names[:2]:
        retract(client, key, name)
    stream()

    told = ask(client, key, "ack", group=group, claim_id=claimed["claim_id"])

    assert told == {"acknowledged": 1, "withdrawn": names[:1], "lost": []}
    assert ids(ask(client, key, "claim", group=group)) == names[2:]


def test_a_late_inference_lets_its_feedback_in(client: Client, key: str, group: str, stream: Callable[[], int]) -> None:
    """Behind what was ready before, so that no group has passed it."""
    begin(client, key, group)
    late = str(uuid.uuid4())
    told = {"inference_request_id": late, "model_name": "digits", "model_version": "m"}
    truth = {"feedback_type": "ground_truth", "feedback_value": {"label": 4}, "feedback_id": late}
    client.post("/v1/feedback", key, told | truth)
    names = send(client, key, 2)
    stream()
    before = ask(client, key, "claim", group=group)
    client.post("/v1/inferences", key, told | {"outputs": [{"output_id": "A", "content": 3}]})
    stream()

    assert ids(before) == names
    assert ids(ask(client, key, "claim", group=group)) == [late]


def test_a_rebuild_hands_nothing_out_again(
    client: Client, key: str, group: str, stream: Callable[[], int], database: Database, tmp_path: Any
) -> None:
    """The queue is written anew from the log; what was acknowledged stays so, what is lent is still lent."""
    begin(client, key, group)
    names = send(client, key, 6)
    stream()
    done, lent = (ask(client, key, "claim", group=group, limit=2) for _ in range(2))
    ask(client, key, "ack", group=group, claim_id=done["claim_id"])

    rebuild(database, Settings(data_dir=tmp_path, database_url=database.url, pepper=PEPPER))

    assert ids(ask(client, key, "claim", group=group)) == names[4:]
    assert ask(client, key, "ack", group=group, claim_id=lent["claim_id"]) == {
        "acknowledged": 2, "withdrawn": [], "lost": [],
    }  # fmt: skip


def test_an_acknowledgement_during_a_rebuild_tells_nothing_untrue(
    client: Client, key: str, group: str, stream: Callable[[], int], database: Database
) -> None:
    """What the queue does not hold yet was not taken back."""
    begin(client, key, group)
    send(client, key, 1)
    stream()
    claimed = ask(client, key, "claim", group=group)
    with database.engine.begin() as connection:
        held = connection.execute(text("SELECT log_offset FROM consumer_positions WHERE name = 'training_queue'"))
        place = held.scalar_one()
        connection.execute(text("UPDATE consumer_positions SET log_offset = 0 WHERE name = 'training_queue'"))
        connection.execute(text("CREATE TABLE aside AS TABLE training_examples"))
        connection.execute(text("DELETE FROM training_examples"))

    told = ask(client, key, "ack", group=group, claim_id=claimed["claim_id"])

    with database.engine.begin() as connection:
        connection.execute(text("INSERT INTO training_examples TABLE aside"))
        connection.execute(text("DROP TABLE aside"))
        statement = text("UPDATE consumer_positions SET log_offset = :place WHERE name = 'training_queue'")
        connection.execute(statement, {"place": place})
    assert told == {"acknowledged": 1, "withdrawn": [], "lost": []}


def test_a_replay_hands_out_again(client: Client, key: str, group: str, stream: Callable[[], int]) -> None:
    """From an offset or a time on; claims on it are lost."""
    begin(client, key, group)
    names = send(client, key, 4)
    stream()
    done = ask(client, key, "claim", group=group)
    ask(client, key, "ack", group=group, claim_id=done["claim_id"], feedback_ids=names[:3])
    place = done["examples"][2]["ready_offset"]

    told = ask(client, key, "replay", group=group, **{"from": f"offset:{place}"})
    lost = ask(client, key, "ack", group=group, claim_id=done["claim_id"], feedback_ids=names[3:])

    assert (told["waiting"], told["claimed"]) == (2, 0)
    assert lost["lost"] == names[3:]
    assert ids(ask(client, key, "claim", group=group)) == names[2:]
    ask(client, key, "replay", group=group, **{"from": "last:1h"})
    assert ids(ask(client, key, "claim", group=group, limit=1000))[-4:] == names
