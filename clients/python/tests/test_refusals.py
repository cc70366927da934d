"""What the server refuses: every event is told, none holds the others up; both clients."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from feedback_client import Blocked, Conflict, NotDelivered, Problem, Refused, build
from stub_server import Stub, says, stores_then_cuts

Connect = Callable[..., Any]


def test_every_refused_event_is_told(connect: Connect, stub: Stub) -> None:
    """Of a batch with bad events the good ones are stored, and `on_refused` gets each bad one with its problem."""
    told: list[tuple[str, Problem]] = []
    stub.refuse = lambda event: "validation-failed" if event["feedback_value"]["score"] > 5 else None
    client = connect(on_refused=lambda event, problem: told.append((event["inference_request_id"], problem)))

    for n in range(10):
        client.rating(f"req-{n}", n)
    client.flush(20)

    assert [name for name, _ in told] == ["req-6", "req-7", "req-8", "req-9"]
    assert {problem.code for _, problem in told} == {"validation-failed"}
    assert told[0][1].errors[0].pointer == "/feedback_value"
    stats = client.stats()
    assert (stats.accepted, stats.refused, stats.waiting_events) == (6, 4, 0)


def test_a_conflict_is_told(connect: Connect, stub: Stub) -> None:
    """Other content under a stored id comes to `on_refused` with status 409."""
    told: list[Problem] = []
    client = connect(on_refused=lambda event, problem: told.append(problem))
    feedback_id = client.rating("req-1", 5)
    client.flush(20)

    client.rating("req-1", 1, feedback_id=feedback_id)
    client.flush(20)

    assert [(problem.code, problem.status) for problem in told] == [("feedback-id-conflict", 409)]
    assert client.stats().conflict == 1


def test_a_refusal_that_nobody_listens_to_is_logged(
    connect: Connect, stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    """Without `on_refused` the log names the id, the code and the field, never what was said."""
    stub.refuse = lambda event: "validation-failed"
    client = connect()

    with caplog.at_level(logging.ERROR, "feedback_client"):
        feedback_id = client.comment("req-1", "the secret of my life")
        client.flush(20)

    assert feedback_id in caplog.text
    assert "validation-failed" in caplog.text
    assert "/feedback_value out-of-range" in caplog.text
    assert "secret" not in caplog.text


def test_an_item_that_may_succeed_later_is_sent_again_alone(connect: Connect, stub: Stub) -> None:
    """A `retryable` refusal in a 207 is repeated; its neighbours, already settled, are not."""
    busy = [True]
    stub.refuse = lambda event: "busy" if event["inference_request_id"] == "req-1" and busy.pop() is True else None
    busy[:] = [False, True]
    client = connect()

    for n in range(3):
        client.rating(f"req-{n}", 3)
    client.flush(20)

    assert len(stub.stored) == 3
    assert [len(seen.events) for seen in stub.seen][-1] == 1
    assert client.stats().accepted == 3


def test_a_callback_that_fails_stops_nothing(connect: Connect, stub: Stub) -> None:
    """What `on_refused` raises is logged, and the events after it are delivered."""
    stub.refuse = lambda event: "validation-failed" if event["feedback_value"]["score"] == 0 else None

    def fail(event: object, problem: object) -> None:
        raise LookupError

    client = connect(on_refused=fail, batch_events=1)

    client.rating("req-0", 0)
    good = client.rating("req-1", 1)
    client.flush(20)

    assert list(stub.stored) == [good]


def test_send_now_returns_the_receipt_or_raises(connect: Connect, stub: Stub) -> None:
    """A stored event has an offset; a refused one, a conflict, a wrong key and a dead server have their exceptions."""
    client = connect(deadline=0.5)
    receipt = client.now.rating("req-1", 4)
    assert (receipt.status, receipt.offset, receipt.id) == ("accepted", 1, next(iter(stub.stored)))

    stub.refuse = lambda event: "validation-failed"
    with pytest.raises(Refused, match="validation-failed") as refused:
        client.now.rating("req-1", 9)
    assert refused.value.event["feedback_value"] == {"score": 9}
    stub.refuse = lambda event: None
    with pytest.raises(Conflict):
        client.now.rating("req-1", 1, feedback_id=receipt.id)
    stub.script.append(says(401, "unauthenticated"))
    with pytest.raises(Blocked, match="unauthenticated"):
        client.now.rating("req-1", 1)
    stub.script.extend([says(503, "overloaded", retry_after="30")])
    with pytest.raises(NotDelivered, match="overloaded") as undelivered:
        client.now.rating("req-1", 1)
    again = client.send_now(undelivered.value.event)
    assert again.id == undelivered.value.event["feedback_id"]


def test_a_batch_sent_now_answers_in_order(connect: Connect, stub: Stub) -> None:
    """Receipts and failures stand where their events stood, inferences first; a failure brings its event along."""
    stub.refuse = lambda event: "validation-failed" if event.get("feedback_value", {}).get("score") == 9 else None
    client = connect(batch_events=2)

    inferences = [build.log_inference(f"req-{n}", "cat") for n in range(3)]
    events = [build.rating("req-0", 4), build.rating("req-1", 9), build.rating("req-2", 4)]
    outcomes = client.send_batch(events, inferences=inferences)

    told = [o.problem.code if isinstance(o, Refused) else o.status for o in outcomes]
    assert told == ["accepted"] * 4 + ["validation-failed", "accepted"]
    assert outcomes[4].event["inference_request_id"] == "req-1" and outcomes[4].event["feedback_id"]
    assert [o.id for o in outcomes[:3]] == ["req-0", "req-1", "req-2"]


def test_a_batch_that_is_too_large_is_halved_and_the_limit_learnt(connect: Connect, stub: Stub) -> None:
    """413 on a batch: the halves are sent, down to what the server takes, and later batches are that small at once."""
    stub.most_events = 30
    client = connect(linger=0.3)

    for n in range(100):
        client.rating(f"req-{n}", 3)
    client.flush(20)
    refused = len(stub.seen)
    for n in range(100):
        client.rating(f"more-{n}", 3)
    client.flush(20)

    assert len(stub.stored) == 200
    assert client.stats().refused == 0
    assert max(len(seen.events) for seen in stub.seen[refused:]) <= 30


def test_one_event_the_server_breaks_at_does_not_hold_the_others(
    connect: Connect, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that makes the server fail each time is narrowed down, told, and the rest is stored."""
    monkeypatch.setattr("feedback_client._delivery.BACKOFF_BASE_S", 0.0)
    told: list[str] = []
    stub.crashes_on = lambda event: event["inference_request_id"] == "req-5"
    client = connect(on_refused=lambda event, problem: told.append(f"{event['inference_request_id']} {problem.code}"))

    for n in range(8):
        client.rating(f"req-{n}", 3)
    client.flush(20)

    assert told == ["req-5 internal"]
    assert len(stub.stored) == 7


def test_a_batch_that_got_no_answer_is_sent_again_by_its_ids(connect: Connect, stub: Stub) -> None:
    """What comes back undelivered holds the ids it was sent with, so that sending it again doubles nothing."""
    stub.script.extend([stores_then_cuts] * 20)
    client = connect(deadline=0.3)

    outcomes = client.send_batch([build.rating("req-1", 4), build.rating("req-2", 4)])
    stub.script.clear()
    again = client.send_batch([outcome.event for outcome in outcomes])

    assert all(isinstance(outcome, NotDelivered) for outcome in outcomes)
    assert [receipt.status for receipt in again] == ["duplicate"] * 2
    assert len(stub.stored) == 2
