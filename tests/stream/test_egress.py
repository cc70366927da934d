"""Egress: where webhooks go is looked at again at every delivery, and no way out is taken that nobody set."""

from collections.abc import Iterator

import pytest

from feedback_ingest.canonical import Pepper
from feedback_ingest.postgres import Database
from feedback_loop.stream.webhooks import deliverer, targets
from feedback_loop.stream.webhooks.sending import Wire
from tests.stream.outboxes import LOOPBACK, attempts, delivered, delivering, endpoint, put_out, wipe_all
from tests.support.receivers import Receiver, receiving
from tests.support.waiting import wait_for


@pytest.fixture
def empty(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The module's database with an empty outbox; whoever waits looks often."""
    monkeypatch.setattr(deliverer, "POLL_S", 0.03)
    wipe_all(database)
    return database


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that thanks for everything."""
    with receiving() as running:
        yield running


def test_a_name_that_turns_private_is_not_followed(empty: Database, pepper: Pepper, receiver: Receiver) -> None:
    """The name server says public when the endpoint is made and loopback when it is told: nothing arrives there."""
    answers = iter([["93.184.215.14"]])

    def rebinding(host: str, port: int) -> list[str]:
        return next(answers, ["127.0.0.1"])

    allowed = targets.Allowed.read(f"10.0.0.0/8:{receiver.port}")
    target = targets.parse(f"http://evil.example.com:{receiver.port}/", allowed)
    with pytest.raises(targets.TargetRefused):
        targets.checked(target, allowed, rebinding)  # public, but at no usual port
    endpoint(empty, pepper, target.url, allowed=allowed)
    with delivering(empty, pepper, wire=Wire(allowed, resolve=rebinding)):
        put_out(empty, "one")
        wait_for(lambda: len(attempts(empty)) == 1)

    assert attempts(empty) == [(1, None, "target-refused")]
    assert receiver.arrivals == []


def test_a_guard_that_sleeps_is_noticed(
    empty: Database, pepper: Pepper, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: without the check before each delivery the private receiver is reached."""
    monkeypatch.setattr(targets, "is_public", lambda address: True)
    monkeypatch.setattr(targets, "PORTS", {"http": receiver.port, "https": 443})
    nobody = targets.Allowed()
    endpoint(empty, pepper, f"http://evil.example.com:{receiver.port}/", allowed=nobody)
    with delivering(empty, pepper, wire=Wire(nobody, resolve=lambda host, port: ["127.0.0.1"])):
        put_out(empty, "one")
        receiver.wait(1)

    assert receiver.arrivals[0].headers["host"] == "evil.example.com"


def test_the_environment_names_no_proxy(
    empty: Database, pepper: Pepper, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP_PROXY is not for webhooks; FEEDBACK_EGRESS_PROXY is, and sees the target's own name."""
    with receiving() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        endpoint(empty, pepper, receiver.url)
        with delivering(empty, pepper):
            put_out(empty, "one")
            delivered(empty)
        assert (len(receiver.arrivals), len(proxy.arrivals)) == (1, 0)

        with delivering(empty, pepper, wire=Wire(LOOPBACK, f"http://127.0.0.1:{proxy.port}")):
            put_out(empty, "two")
            delivered(empty, 2)
        assert [arrival.path for arrival in proxy.arrivals] == [receiver.url]
