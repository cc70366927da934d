"""Signatures: whoever has the secret knows a message as ours, and as unchanged; during a rotation there are two."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from feedback_loop.stream.webhooks import deliverer
from feedback_loop.stream.webhooks.sending import signed
from tests.stream.outboxes import Clock, delivering, endpoint, endpoints, put_out, wipe_all
from tests.support.receivers import Receiver, receiving


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


def test_a_forged_message_is_noticed(empty: Database, pepper: Pepper, receiver: Receiver) -> None:
    """Another body, id, time or secret, or one that is old, does not verify."""
    _, secret = endpoint(empty, pepper, receiver.url)
    now = utc_now()
    good = signed("msg_1", '{"a":1}', [secret], now)
    hook = Webhook(secret)
    old = signed("msg_1", '{"a":1}', [secret], now - timedelta(minutes=6))

    assert hook.verify('{"a":1}', good) == {"a": 1}
    forged = [('{"a":2}', good), ('{"a":1}', good | {"webhook-id": "msg_2"}), ('{"a":1}', old)]
    forged.append(('{"a":1}', good | {"webhook-timestamp": str(int(now.timestamp()) - 1)}))
    for body, headers in forged:
        with pytest.raises(WebhookVerificationError):
            hook.verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 44).verify('{"a":1}', good)


def test_the_published_vector_is_signed_alike() -> None:
    """The example of the specification gives its signature."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = utc_now().fromtimestamp(1614265330, utc_now().tzinfo)

    found = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}', [secret], at)

    assert found["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_secrets_verify_during_a_rotation(empty: Database, pepper: Pepper, receiver: Receiver) -> None:
    """Old and new while they overlap, the new one alone afterwards."""
    name, old = endpoint(empty, pepper, receiver.url)
    with endpoints(empty, pepper) as mine:
        new = mine.rotate(mine.find(name), timedelta(hours=24))
    clock = Clock()
    with delivering(empty, pepper, clock):
        put_out(empty, "during")
        receiver.wait(1)
        clock.ahead = timedelta(hours=25)
        put_out(empty, "after")
        receiver.wait(2)

    def verifies(secret: str, number: int) -> bool:
        arrival = receiver.arrivals[number]
        at = utc_now().fromtimestamp(int(arrival.headers["webhook-timestamp"]), utc_now().tzinfo)
        ours = signed(arrival.message_id, arrival.body.decode(), [secret], at)["webhook-signature"]
        return ours in arrival.headers["webhook-signature"].split()

    assert [verifies(old, 0), verifies(new, 0), verifies(old, 1), verifies(new, 1)] == [True, True, False, True]
