"""What waits: bounded, batched, flushed, and told when it cannot be kept; both clients."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from feedback_client import ClientClosed, QueueFull
from programs import wait_for
from stub_server import Exchange, Stub, answers_after, cuts, says, stores_then_cuts

Connect = Callable[..., Any]


def test_a_batch_goes_when_it_is_full_or_old_enough(connect: Connect, stub: Stub) -> None:
    """A full batch does not wait for its age; a lone event waits no longer than `linger`."""
    client = connect(linger=30, batch_events=10)

    for n in range(10):
        client.rating(f"req-{n}", 3)
    wait_for(lambda: len(stub.stored) == 10)
    client.rating("req-10", 3)
    held = len(stub.stored)
    client.flush(20)

    assert held == 10
    assert len(stub.stored) == 11


def test_batches_stay_within_their_bytes(connect: Connect, stub: Stub) -> None:
    """No body is larger than `batch_bytes` while an event fits into it."""
    client = connect(batch_bytes=4_096, gzip_above=None)

    for n in range(60):
        client.comment(f"req-{n}", "x" * 500)
    client.flush(20)

    assert len(stub.stored) == 60
    assert max(len(seen.raw) for seen in stub.seen) <= 4_096 + len(b'{"events":[]}')


def test_large_bodies_are_compressed(connect: Connect, stub: Stub) -> None:
    """Above `gzip_above` bytes a body is gzip; below it is plain."""
    client = connect(gzip_above=2_000)

    client.comment("req-1", "short")
    client.flush(20)
    client.comment("req-2", "long " * 1_000)
    client.flush(20)

    assert [seen.headers.get("content-encoding") for seen in stub.seen] == [None, "gzip"]
    assert len(stub.seen[1].raw) < 1_000


@pytest.mark.parametrize("way", ["raise", "drop", "block"])
def test_a_full_queue_does_what_was_chosen(connect: Connect, stub: Stub, way: str) -> None:
    """At its bound the queue raises, drops with a callback, or makes the caller wait; never anything silently."""
    gate = threading.Event()
    stub.script.append(answers_after(gate, Exchange.store_and_answer))
    dropped: list[str] = []
    settings: dict[str, Any] = {"queue_events": 3, "when_full": way, "block_timeout": 0.2}
    if way == "drop":
        settings["on_dropped"] = lambda event, reason: dropped.append(reason)
    client = connect(**settings)
    for n in range(3):
        client.rating(f"req-{n}", 3)

    if way == "drop":
        client.rating("req-3", 3)
        assert len(dropped) == 1 and "queue is full" in dropped[0]
    else:
        began = time.monotonic()
        with pytest.raises(QueueFull, match="3 events"):
            client.rating("req-3", 3)
        assert (time.monotonic() - began >= 0.2) == (way == "block")
    gate.set()
    client.flush(20)

    assert len(stub.stored) == 3
    assert client.stats().dropped == len(dropped)


def test_a_blocked_caller_goes_on_when_there_is_room(connect: Connect, stub: Stub) -> None:
    """`when_full="block"` waits for the server instead of losing anything."""
    client = connect(queue_events=10, batch_events=5, block_timeout=20)

    for n in range(200):
        client.rating(f"req-{n}", 3)
    client.flush(20)

    assert len(stub.stored) == 200


def test_closing_sends_what_waits(connect: Connect, stub: Stub) -> None:
    """The end of a `with` block delivers, also what still lingers; afterwards nothing is taken."""
    with connect(linger=30) as client:
        for n in range(50):
            client.rating(f"req-{n}", 3)

    assert len(stub.stored) == 50
    with pytest.raises(ClientClosed):
        client.rating("late", 3)


def test_what_cannot_be_sent_before_the_end_is_told(connect: Connect, stub: Stub) -> None:
    """`close` waits no longer than told; each event without an outcome goes to `on_dropped`, none that has one."""
    gate = threading.Event()
    stub.script.extend([Exchange.store_and_answer, answers_after(gate, cuts)])
    dropped: list[str] = []
    client = connect(linger=0.3, on_dropped=lambda event, reason: dropped.append(event["inference_request_id"]))
    client.log_inference("req-0", "cat")
    for n in range(5):
        client.rating(f"req-{n}", 3)
    wait_for(lambda: len(stub.seen) == 2)

    began = time.monotonic()
    sent = client.close(0.2)
    gate.set()

    assert not sent
    assert time.monotonic() - began < 5
    assert dropped == ["req-0", "req-1", "req-2", "req-3", "req-4"]
    assert list(stub.stored) == ["req-0"]


def test_giving_up_is_told(connect: Connect, stub: Stub) -> None:
    """With `give_up_after` the background stops trying, and hands each event to `on_dropped` with the reason."""
    stub.script.extend([says(503, "overloaded")] * 50)
    dropped: list[str] = []
    client = connect(give_up_after=0.3, on_dropped=lambda event, reason: dropped.append(reason))

    client.rating("req-1", 3)
    client.flush(20)

    assert len(dropped) == 1 and "overloaded" in dropped[0]
    assert client.stats().waiting_events == 0


def test_flush_says_when_time_is_over(connect: Connect, stub: Stub) -> None:
    """A flush that does not get through answers False within its time, and the events wait on."""
    stub.script.extend([says(503, "overloaded", retry_after="5")])
    client = connect()

    client.rating("req-1", 3)

    assert client.flush(0.2) is False
    assert client.stats().waiting_events == 1


def test_an_inference_goes_before_its_feedback(connect: Connect, stub: Stub) -> None:
    """Each kind has its endpoint, and of one batch the inferences go first."""
    client = connect(linger=0.3)

    client.rating("req-1", 3)
    request_id = client.log_inference(answer="cat", probabilities=[0.9, 0.1], inputs={"a": 1})
    client.flush(20)

    assert [seen.path for seen in stub.seen] == ["/v1/inferences/batch", "/v1/feedback/batch"]
    (record,) = stub.seen[0].events
    assert record["inference_request_id"] == request_id
    assert record["outputs"] == [{"output_id": "1", "content": "cat", "probabilities": [0.9, 0.1]}]


def test_every_event_ends_in_one_count(connect: Connect, stub: Stub) -> None:
    """taken = accepted + duplicate + conflict + refused + dropped, whatever the server answers."""
    stub.refuse = lambda event: "validation-failed" if event["feedback_value"]["score"] == 0 else None
    stub.script.extend([stores_then_cuts, says(503, "overloaded"), says(413, "payload-too-large"), cuts])
    client = connect(batch_events=50, queue_events=400, when_full="drop", on_dropped=lambda event, reason: None)

    for n in range(600):
        client.rating(f"req-{n}", n % 3, feedback_id=f"0192f0c1-7c1e-4a50-8a3e-{n // 2:012d}")
    client.flush(20)

    stats = client.stats()
    ended = stats.accepted + stats.duplicate + stats.conflict + stats.refused + stats.dropped
    assert stats.taken == 600 and stats.waiting_events == 0
    assert ended == 600
    assert json.dumps(sorted(stub.stored)) == json.dumps(sorted(set(stub.stored)))


def test_what_was_settled_before_an_interruption_is_not_sent_again(connect: Connect, stub: Stub) -> None:
    """A delivery that stops half-way, here at a wrong key, goes on with the rest of its batch only."""
    stub.script.extend([Exchange.store_and_answer, says(401, "unauthenticated")])
    client = connect(linger=0.2)
    client.log_inference("req-0", "cat")
    client.rating("req-0", 3)
    wait_for(lambda: client.stats().blocked)

    sent = client.close()

    assert sent
    assert [seen.path.split("/")[2] for seen in stub.seen] == ["inferences", "feedback", "feedback"]
    assert (client.stats().accepted, client.stats().duplicate) == (2, 0)


def test_flush_counts_its_own_events_not_those_it_inherited(connect: Connect, stub: Stub, tmp_path: Path) -> None:
    """With a backlog in the spool a flush still waits for what this process said."""
    stub.script.extend([says(401, "unauthenticated")] * 100)
    first = connect(spool=tmp_path)
    for n in range(5):
        first.rating(f"old-{n}", 3)
    first.close(0.1)
    stub.script.clear()
    gate = threading.Event()
    stub.script.extend([Exchange.store_and_answer, answers_after(gate, Exchange.store_and_answer)])
    second = connect(spool=tmp_path)
    second.rating("new", 3)

    too_early = second.flush(0.5)
    gate.set()

    assert not too_early
    assert second.flush(20)
    assert len(stub.stored) == 6
    assert second.stats().replayed == 5
