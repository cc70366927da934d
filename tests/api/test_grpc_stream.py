"""The gRPC stream: acknowledgements in order, nothing acknowledged lost, nothing held without bound."""

import json
import queue
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from sqlalchemy import text
from sqlmodel import Session

from api.grpc_door import feedback_pb2 as pb
from api.grpc_door.streaming import IN_FLIGHT
from api.receiver import keyring
from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from tests.api.conftest import Client
from tests.api.rpc import Rpc, event, message, told
from tests.support.waiting import wait_for

MakeKey = Callable[..., str]


@pytest.fixture
def rpc(channel: grpc.Channel, make_key: MakeKey) -> Rpc:
    """A client with a server's key that may also read."""
    return Rpc(channel, make_key("ingest", "read"))


class Sending:
    """Messages a test gives one by one to a stream it holds open."""

    def __init__(self, rpc: Rpc) -> None:
        self._given: queue.SimpleQueue[pb.StreamFeedbackRequest | None] = queue.SimpleQueue()
        self.taken = 0
        self.answers = rpc.call("StreamFeedback", self._messages())

    def send(self, *events: Any) -> None:
        """One message."""
        self._given.put(message(events))

    def finish(self) -> None:
        """No more messages."""
        self._given.put(None)

    def _messages(self) -> Iterator[pb.StreamFeedbackRequest]:
        while (given := self._given.get()) is not None:
            self.taken += 1
            yield given


@contextmanager
def stalled(database: Database) -> Iterator[None]:
    """No commit of the log gets through meanwhile."""
    with Session(database.engine) as holding:
        holding.execute(text("SELECT * FROM staging.log_head FOR UPDATE"))
        yield
        holding.rollback()


def offsets(session: Session, names: list[str]) -> dict[str, list[int]]:
    """Where each of the events stands in the log."""
    session.rollback()
    found: dict[str, list[int]] = {}
    rows = text("SELECT id, log_offset FROM staging.feedback_events WHERE id = ANY(:names)")
    for name, offset in session.execute(rows, {"names": names}):
        found.setdefault(name, []).append(offset)
    return found


def test_each_message_is_acknowledged_in_order(rpc: Rpc, session: Session) -> None:
    """Sent without waiting, 40 messages of 25 events are 1,000 receipts in the order of the events and of the log."""
    messages = [[event() for _ in range(25)] for _ in range(40)]

    answers = list(rpc.stream(messages))

    receipts = [receipt for answer in answers for receipt in answer.receipts]
    names = [one["feedback_id"] for events in messages for one in events]
    places = [receipt.offset for receipt in receipts]
    assert [len(answer.receipts) for answer in answers] == [25] * 40
    assert [receipt.id for receipt in receipts] == names
    assert places == sorted(places) and len(set(places)) == 1_000
    assert offsets(session, names) == {name: [place] for name, place in zip(names, places, strict=True)}


def test_one_bad_event_ends_nothing(rpc: Rpc) -> None:
    """Refusals, duplicates and conflicts are receipts in their places; the stream goes on."""
    known = event()

    first, second = rpc.stream([[known, b"{", known | {"model_version": "m-2"}], [known, event()]])

    assert [receipt.status for receipt in first.receipts] == [
        pb.STATUS_ACCEPTED, pb.STATUS_REFUSED, pb.STATUS_CONFLICT,
    ]  # fmt: skip
    assert [receipt.status for receipt in second.receipts] == [pb.STATUS_DUPLICATE, pb.STATUS_ACCEPTED]
    assert second.receipts[0].offset == first.receipts[0].offset


@pytest.mark.parametrize(("bad", "code"), [([], "validation-failed"), ([b"{}"] * 1_001, "batch-too-large")])
def test_a_bad_message_ends_the_stream_after_its_predecessors(rpc: Rpc, bad: list[bytes], code: str) -> None:
    """What came before it is acknowledged, then the reason is told; what came after is not taken."""
    answers = rpc.stream([[event()], [event()], bad, [event()]])

    acknowledged = [next(answers), next(answers)]
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)

    assert [len(answer.receipts) for answer in acknowledged] == [1, 1]
    assert told(caught.value).code == code


def test_a_limit_ends_the_stream_after_what_it_allowed(channel: grpc.Channel, make_key: MakeKey) -> None:
    """The message that overdraws is taken whole; the next one ends the stream with how long to wait."""
    limited = Rpc(channel, make_key("ingest", events_per_minute=10))

    answers = limited.stream([[event() for _ in range(8)], [event() for _ in range(8)], [event()]])

    assert [len(next(answers).receipts) for _ in range(2)] == [8, 8]
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    assert told(caught.value).code == "quota-exceeded"
    assert (told(caught.value).retry_s or 0) >= 30


def test_a_stream_does_not_outlive_its_key(
    channel: grpc.Channel, make_key: MakeKey, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revocation ends it with the next message after keys are looked up anew."""
    monkeypatch.setattr(keyring, "FRESH_S", 0.0)
    key = make_key("ingest")
    sending = Sending(Rpc(channel, key))
    sending.send(event())
    assert next(sending.answers).receipts[0].status == pb.STATUS_ACCEPTED

    keys.revoke(session, keys.key_id_of(key), utc_now())
    session.commit()
    sending.send(event())

    with pytest.raises(grpc.RpcError) as caught:
        next(sending.answers)
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    sending.finish()


def test_what_waits_is_bounded(client: Client, rpc: Rpc, database: Database, session: Session) -> None:
    """While nothing can be committed the server reads no more than a few messages, and takes the rest afterwards."""
    messages = [[event() for _ in range(100)] for _ in range(40)]
    commits = client._app.app.state.receiving.door.intake.commits
    peak = 0

    with stalled(database):
        answers = rpc.stream(messages)
        wait_for(lambda: commits.waiting_events >= IN_FLIGHT * 100, 60, "messages to be read")
        for _ in range(20):
            peak = max(peak, commits.waiting_events)
            threading.Event().wait(0.01)
    acknowledged = [receipt for answer in answers for receipt in answer.receipts]

    assert peak == IN_FLIGHT * 100
    assert len(acknowledged) == 4_000


def test_a_deadline_is_kept(rpc: Rpc, database: Database, session: Session) -> None:
    """A client that gave up is told so at once; what was begun is finished once, and sending it again is safe."""
    given = event()

    with stalled(database), pytest.raises(grpc.RpcError) as caught:
        rpc.call("SubmitFeedback", pb.SubmitFeedbackRequest(event=message([given]).events[0]), timeout_s=0.4)
    again = rpc.submit(given)

    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert offsets(session, [given["feedback_id"]]) == {given["feedback_id"]: [again.offset]}


def test_reading_starts_where_it_is_told(rpc: Rpc) -> None:
    """From an offset (inclusive), a time, the beginning or the end; limited, by kind, as it stands in the log."""
    before = utc_now().isoformat()
    [answer] = rpc.stream([[event(rationale=f"n {n}") for n in range(120)]])
    places, ids = [one.offset for one in answer.receipts], [one.id for one in answer.receipts]
    name = f"inf-{uuid.uuid4()}"
    record = b'{"inference_request_id":"%s","model_version":"m","outputs":[{"output_id":"A","content":1}]}'
    rpc.call("LogInference", pb.LogInferenceRequest(inference=record % name.encode()))

    everything = rpc.read(start=f"offset:{places[0]}")
    some = rpc.read(start=f"offset:{places[100]}", limit=5)

    assert [one.id for one in everything] == [*ids, name]
    assert [one.offset for one in some] == places[100:105]
    assert [one.kind for one in rpc.read(start="last:1h", kinds=["inference"])][-1:] == ["inference"]
    assert [one.id for one in rpc.read(start=f"ts:{before}")] == [*ids, name]
    assert (rpc.read(start="latest"), len(rpc.read()) >= 121) == ([], True)
    assert json.loads(everything[0].body)["rationale"] == "n 0"


def test_reading_follows(rpc: Rpc) -> None:
    """With `follow` a call goes on with what is stored after it began."""
    before = rpc.submit(event())
    pages = rpc.call("ReadLog", pb.ReadLogRequest(start=f"offset:{before.offset + 1}", follow=True, limit=3))
    first = rpc.submit(event())

    seen = [one.offset for one in next(pages).events]
    second, third = rpc.submit(event()), rpc.submit(event())
    seen += [one.offset for page in pages for one in page.events]

    assert seen == [first.offset, second.offset, third.offset]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"start": "yesterday"}, "validation-failed"),
        ({"start": "offset:-1"}, "validation-failed"),
        ({"start": "ts:2026"}, "validation-failed"),
        ({"limit": -1}, "validation-failed"),
        ({"kinds": ["feed\0back"]}, "validation-failed"),
        ({"kinds": ["credential_created"]}, "forbidden"),
    ],
)
def test_reading_what_is_not_there_to_read(rpc: Rpc, request_: dict[str, Any], code: str) -> None:
    """A start that says nothing, a kind that is none, decisions without the scope admin: refused by name."""
    assert rpc.refused("ReadLog", pb.ReadLogRequest(**request_)).code == code


def test_another_project_is_not_read(channel: grpc.Channel, rpc: Rpc, session: Session) -> None:
    """A key reads its own project's part of the log, decisions with the scope admin."""
    from feedback_ingest.tables import Project

    session.add(Project(name="reader"))
    session.flush()
    stranger = Rpc(channel, keys.create(session, "reader", ["admin"], utc_now()).key)
    session.commit()
    rpc.submit(event())

    assert stranger.read() == []
    mine = stranger.submit(event())
    assert [one.offset for one in stranger.read(kinds=["feedback", "credential_created"])] == [mine.offset]
