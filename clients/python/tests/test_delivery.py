"""The plan of a delivery, step by step: no connection, no clock, no chance."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from feedback_client import Problem, Receipt
from feedback_client._answers import Again, Answer, Failure, Refusing, Settled, Smaller, judge, retry_after
from feedback_client._delivery import BACKOFF_CAP_S, Courier, Post, Settlement, Terms, Trouble, Wait
from feedback_client._wire import FEEDBACK, INFERENCE, Item

PATIENT = Terms(patient=True)
GOOD = {"feedback_id": "a", "status": "accepted", "offset": 1}


def _items(count: int, kind: str = FEEDBACK) -> list[Item]:
    return [Item(kind, json.dumps({"feedback_id": f"{kind}{n}"}).encode()) for n in range(count)]


def _events(post: Post) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(post.body)["events"]
    return events


def _stored(post: Post) -> Answer:
    results = [
        {"index": at, "feedback_id": event["feedback_id"], "status": "accepted", "offset": at + 1}
        for at, event in enumerate(_events(post))
    ]
    return Answer(201, {}, json.dumps({"results": results}).encode())


def _problem(status: int, code: str, retryable: bool | None = None, **headers: str) -> Answer:
    return Answer(status, headers, json.dumps({"code": code, "retryable": retryable}).encode())


def _courier(now: Callable[[], float] = lambda: 0.0, events: int = 100) -> Courier:
    return Courier(10.0, events, 1_000_000, None, clock=now, uniform=lambda low, high: high)


def _play(
    courier: Courier, items: list[Item], terms: Terms, answer: Callable[[Post], Answer | Failure]
) -> tuple[list[Any], bool]:
    """Carries a delivery out; every step it took, and how it ended."""
    steps = courier.deliver(items, terms)
    taken: list[Any] = []
    reply: object = None
    try:
        while True:
            step = steps.send(reply)
            taken.append(step)
            reply = answer(step) if isinstance(step, Post) else True
    except StopIteration as end:
        return taken, end.value


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Failure("connection-failed", "ConnectError"), Again),
        (_problem(503, "overloaded", True), Again),
        (_problem(429, "quota-exceeded", True), Again),
        (_problem(408, "request-timeout", True), Again),
        (_problem(500, "internal", False), Again),
        (Answer(502, {}, b"<html>Bad Gateway</html>"), Again),
        (_problem(413, "batch-too-large"), Smaller),
        (_problem(400, "malformed-json"), Smaller),
        (_problem(401, "unauthenticated"), Refusing),
        (_problem(403, "forbidden"), Refusing),
        (_problem(404, "not-found"), Refusing),
        (Answer(301, {"location": "https://elsewhere"}, b""), Refusing),
        (Answer(200, {}, b"<html>"), Again),
        (Answer(201, {}, b'{"results": [{"index": 0, "status": "accepted", "offset": 1}]}'), Again),
        (Answer(207, {}, b'{"results": [{"index": 0, "feedback_id": "a", "status": "new kind", "offset": 1}]}'), Again),
        (Answer(201, {}, b"[]"), Again),
        (Answer(201, {}, json.dumps({"results": [{**GOOD, "index": n} for n in range(3)]}).encode()), Again),
    ],
)
def test_what_an_answer_means_for_a_batch(reply: Answer | Failure, verdict: type) -> None:
    """Every answer is one of four things, and only a well-formed 2xx is a receipt."""
    assert isinstance(judge(reply, 2, single=False), verdict)


def test_what_an_answer_means_for_one_event() -> None:
    """The endpoint for one event answers about that event: 409, 403, 413 and 422 are its outcome."""
    receipt = judge(Answer(200, {}, b'{"feedback_id":"a","offset":7,"status":"duplicate"}'), 1, single=True)

    assert receipt == Settled([Receipt("a", "duplicate", 7)])
    for status in (400, 403, 409, 413, 422):
        verdict = judge(_problem(status, "said"), 1, single=True)
        assert isinstance(verdict, Settled)
        assert verdict.outcomes == [Problem("said", status)]
    assert isinstance(judge(_problem(401, "unauthenticated"), 1, single=True), Refusing)


def test_only_a_failure_the_server_does_not_call_passing_is_doubtful() -> None:
    """500 of a server that says `retryable: false` is doubtful; a bare 500 of a proxy, 502 and 503 pass."""
    doubtful = [
        judge(reply, 1, single=False)
        for reply in (_problem(500, "internal", False), Answer(500, {}, b""), _problem(503, "overloaded", True))
    ]

    assert [isinstance(verdict, Again) and verdict.doubtful for verdict in doubtful] == [True, False, False]


@pytest.mark.parametrize(("said", "least", "most"), [("7", 7, 7), ("", 0, 0), ("soon", 0, 0), ("9" * 500, 600, 600)])
def test_retry_after_in_seconds(said: str, least: float, most: float) -> None:
    """Seconds are taken as said, up to ten minutes; anything else is nothing."""
    assert least <= retry_after(Answer(503, {"retry-after": said}, b"")) <= most


def test_retry_after_as_a_date() -> None:
    """An HTTP date counts from now; one in the past is now."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)

    assert 55 <= retry_after(Answer(503, {"retry-after": later}, b"")) <= 60
    assert retry_after(Answer(503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"")) == 0


def test_the_wait_grows_with_full_jitter_up_to_its_cap() -> None:
    """Each wait is chance between nothing and a bound that doubles, on top of what the server asked for."""
    bounds: list[tuple[float, float]] = []
    courier = _courier()
    courier.uniform = lambda low, high: bounds.append((low, high)) or 0.125  # type: ignore[func-returns-value]
    replies = [_problem(503, "overloaded", True, **{"retry-after": "2"})] * 9

    steps, _ = _play(courier, _items(1), PATIENT, lambda post: replies.pop() if replies else _stored(post))

    assert {wait for wait in steps if isinstance(wait, Wait)} == {Wait(2.125, 2.0)}
    assert all(low == 0.0 for low, _ in bounds)
    assert [high for _, high in bounds] == [min(0.25 * 2**n, BACKOFF_CAP_S) for n in range(9)]


def test_the_deadline_ends_it_before_a_wait_that_would_not_fit() -> None:
    """No attempt starts after the deadline, none is waited for beyond it, and what happened last is told."""
    now = [0.0]
    asked: list[float] = []

    def answer(post: Post) -> Answer:
        asked.append(post.timeout)
        now[0] += 2.0
        return _problem(503, "overloaded", True)

    steps, _ = _play(_courier(lambda: now[0]), _items(2), Terms(ends_at=5.0), answer)

    assert asked == [5.0, 3.0, 1.0]
    last = steps[-1]
    assert isinstance(last, Settlement)
    assert (last.how, len(last.items)) == ("gave_up", 2)
    assert [outcome.code for outcome in last.outcomes if isinstance(outcome, Problem)] == ["overloaded"] * 2


def test_a_poisonous_event_is_found_by_halves() -> None:
    """A batch refused as a whole is halved until the one event is alone; every other is stored, each asked once."""

    def answer(post: Post) -> Answer:
        bad = any(event["feedback_id"] == "F37" for event in _events(post))
        return _problem(400, "malformed-json") if bad else _stored(post)

    steps, done = _play(_courier(), _items(64), PATIENT, answer)

    told = [
        pair for step in steps if isinstance(step, Settlement) for pair in zip(step.items, step.outcomes, strict=True)
    ]
    refused = [item for item, outcome in told if isinstance(outcome, Problem)]
    assert done
    assert [item.event()["feedback_id"] for item in refused] == ["F37"]
    assert len(told) == 64
    assert sum(isinstance(step, Post) for step in steps) == 13


@pytest.mark.parametrize(("code", "events", "bytes_small"), [("batch-too-large", 4, False), ("http-413", 8, True)])
def test_a_limit_is_learnt_from_413(code: str, events: int, bytes_small: bool) -> None:
    """What the server said was too large is halved for all later batches, by count or by bytes."""
    courier = _courier(events=8)
    refused = [True]

    _play(courier, _items(8), PATIENT, lambda p: _problem(413, code) if refused and refused.pop() else _stored(p))

    assert courier.batch_events == events
    assert (courier.batch_bytes < 1_000) == bytes_small


def test_a_wrong_key_ends_an_impatient_delivery_and_holds_a_patient_one() -> None:
    """Who waits for the answer hears at once; the background says so once and tries on."""
    refusals = [_problem(401, "unauthenticated")] * 3

    impatient, _ = _play(_courier(), _items(1), Terms(ends_at=5.0), lambda post: refusals[0])
    patient, _ = _play(_courier(), _items(1), PATIENT, lambda post: refusals.pop() if refusals else _stored(post))

    assert isinstance(impatient[-1], Settlement)
    assert impatient[-1].how == "blocked"
    assert [step for step in patient if isinstance(step, Trouble)] == [
        Trouble(Problem("unauthenticated", 401), blocked=True),
        Trouble(None),
    ]


def test_a_pause_that_says_stop_leaves_the_rest() -> None:
    """Told not to go on, a delivery ends without an outcome for what is open."""
    steps = _courier().deliver(_items(1), PATIENT)
    step: Any = next(steps)
    step = steps.send(Failure("timed-out", "ReadTimeout"))
    while not isinstance(step, Wait):
        step = steps.send(None)

    with pytest.raises(StopIteration) as end:
        steps.send(False)

    assert end.value.value is False


def test_kinds_go_apart_and_batches_in_order() -> None:
    """Inferences before feedback, each to its endpoint, each batch within its count, in the order they were given."""
    items = [item for pair in zip(_items(5), _items(5, INFERENCE), strict=True) for item in pair]

    steps, _ = _play(_courier(events=3), items, PATIENT, _stored)

    posts = [step for step in steps if isinstance(step, Post)]
    assert [(post.path, len(_events(post))) for post in posts] == [
        ("/v1/inferences/batch", 3),
        ("/v1/inferences/batch", 2),
        ("/v1/feedback/batch", 3),
        ("/v1/feedback/batch", 2),
    ]
    sent = [event["feedback_id"] for post in posts for event in _events(post)]
    assert sent == [f"I{n}" for n in range(5)] + [f"F{n}" for n in range(5)]
