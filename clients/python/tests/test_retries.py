"""A server that is busy, slow, cut off or not the one meant: both clients deliver, once."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from feedback_client import Problem
from programs import wait_for
from stub_server import Exchange, Stub, answers_after, cuts, says, stores_then_cuts

Connect = Callable[..., Any]


def _ids(stub: Stub) -> list[str]:
    return [event["feedback_id"] for event in stub.sent]


def test_what_is_sent_arrives_once(connect: Connect, stub: Stub) -> None:
    """A thousand queued events are stored once each, in batches over one kept connection, and counted."""
    client = connect()

    ids = [client.rating(f"req-{n}", 4, user_id="u-1") for n in range(1_000)]
    flushed = client.flush(20)

    assert flushed
    assert set(stub.stored) == set(ids)
    assert len(stub.sent) == 1_000
    assert stub.connections == 1
    stats = client.stats()
    assert (stats.taken, stats.accepted, stats.waiting_events) == (1_000, 1_000, 0)


def test_an_overloaded_server_gets_the_same_event_again(connect: Connect, stub: Stub) -> None:
    """503, then 201: the same id and the same content, so the log holds it once."""
    stub.script.extend([says(503, "overloaded"), says(429, "quota-exceeded"), says(408, "request-timeout")])
    client = connect()

    feedback_id = client.thumb("req-1", True)
    flushed = client.flush(20)

    assert flushed
    assert _ids(stub) == [feedback_id] * 4
    assert stub.sent[0] == stub.sent[-1]
    assert client.stats().retries == 3


def test_retry_after_is_honoured(connect: Connect, stub: Stub) -> None:
    """The next attempt is not made before the second that the server asked for is over."""
    stub.script.append(says(503, "overloaded", retry_after="1"))
    client = connect()

    client.thumb("req-1", True)
    client.flush(20)

    assert stub.seen[1].at - stub.seen[0].at >= 1.0


def test_an_unknown_outcome_is_sent_again_under_the_same_id(connect: Connect, stub: Stub) -> None:
    """The server stored the event and its answer was lost: sent again, it is a duplicate and no second row."""
    stub.script.extend([stores_then_cuts, cuts])
    client = connect()

    feedback_id = client.rating("req-1", 5)
    client.flush(20)

    assert _ids(stub) == [feedback_id] * 3
    assert client.stats().duplicate == 1
    assert list(stub.stored) == [feedback_id]


def test_a_slow_server_is_asked_again(connect: Connect, stub: Stub) -> None:
    """An answer that takes longer than `timeout` counts as none."""
    gate = threading.Event()
    stub.script.append(answers_after(gate, Exchange.store_and_answer))
    client = connect(timeout=0.2)

    feedback_id = client.rating("req-1", 5)
    flushed = client.flush(20)
    gate.set()

    assert flushed
    assert _ids(stub) == [feedback_id] * 2


def test_a_wrong_key_loses_nothing(connect: Connect, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """401 is told once by `on_blocked`; the events wait and go when the key is good again."""
    monkeypatch.setattr("feedback_client._delivery.BLOCKED_S", 0.05)
    told: list[Problem] = []
    stub.script.extend([says(401, "unauthenticated")] * 3)
    client = connect(on_blocked=told.append)

    client.rating("req-1", 4)
    wait_for(lambda: client.stats().blocked)
    waiting = client.stats()
    client.flush(20)

    assert waiting.trouble is not None and waiting.waiting_events == 1
    assert [problem.code for problem in told] == ["unauthenticated"]
    assert len(stub.stored) == 1
    assert client.stats().trouble is None


def test_something_else_at_the_address_is_not_believed(connect: Connect, stub: Stub) -> None:
    """A 200 that is no answer of a feedback server is no receipt."""
    stub.script.append(lambda exchange: exchange.answer(200, "<html>welcome</html>"))
    stub.script.append(lambda exchange: exchange.answer(201, {"results": []}))
    client = connect()

    client.rating("req-1", 4)
    client.flush(20)

    assert len(stub.stored) == 1
    assert client.stats().retries == 2
