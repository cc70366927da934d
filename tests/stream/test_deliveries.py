"""Deliveries: at least once, under one id, whatever the receiver does, and never where they must not go."""

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import asyncpg
import orjson
import pytest
from standardwebhooks import Webhook

from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import monotonic_s
from feedback_ingest.postgres import Database
from feedback_loop.stream.webhooks import claims, deliverer, sending
from feedback_loop.stream.webhooks.sending import Wire
from tests.stream.outboxes import (
    LOOPBACK,
    Clock,
    attempts,
    delivered,
    delivering,
    endpoint,
    endpoints,
    put_out,
    rows,
    states,
    wipe_all,
)
from tests.support.receivers import Receiver, answering, receiving
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


def test_a_message_comes_signed_and_at_once(empty: Database, pepper: Pepper, receiver: Receiver) -> None:
    """Woken by the commit, well before it would look by itself; the reference library finds the signature good."""
    name, secret = endpoint(empty, pepper, receiver.url)
    with delivering(empty, pepper):
        put_out(empty, "one")
        receiver.wait(1)
        delivered(empty)

    [arrival] = receiver.arrivals
    assert Webhook(secret).verify(arrival.body, arrival.headers)["data"] == {"reason": "one"}
    assert arrival.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert rows(empty, "SELECT message_id, endpoint_id FROM webhook_messages") == [(arrival.message_id, name)]
    assert attempts(empty) == [(1, 204, None)]


def test_a_failed_delivery_is_tried_again_under_its_id(empty: Database, pepper: Pepper, receiver: Receiver) -> None:
    """500, a redirect, a connection cut, then well: four attempts, one id, a new time and signature each."""

    def cut(handler: BaseHTTPRequestHandler, number: int) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)

    other = receiving()
    with other as elsewhere:
        behaviours = [answering(500), answering(302, Location=elsewhere.url), cut, answering(200)]
        receiver.behave = lambda handler, number: behaviours[number - 1](handler, number)
        endpoint(empty, pepper, receiver.url)
        clock = Clock()
        with delivering(empty, pepper, clock):
            put_out(empty, "one")
            for count in range(1, 5):
                receiver.wait(count)
                wait_for(lambda count=count: len(attempts(empty)) == count)
                clock.ahead += timedelta(hours=3)
            delivered(empty)

        assert elsewhere.arrivals == []
    assert attempts(empty) == [(1, 500, None), (2, 302, None), (3, None, "protocol"), (4, 200, None)]
    assert len(set(receiver.ids)) == 1
    assert len({arrival.headers["webhook-timestamp"] for arrival in receiver.arrivals}) == 4


def test_a_receiver_that_comes_back_gets_everything(empty: Database, pepper: Pepper) -> None:
    """Nobody listens for a while; what was put out meanwhile arrives once somebody does."""
    with receiving() as running:
        port = running.port
    endpoint(empty, pepper, f"http://127.0.0.1:{port}/hook")
    clock = Clock()
    with delivering(empty, pepper, clock):
        put_out(empty, *(f"n{n}" for n in range(8)))
        wait_for(lambda: len(attempts(empty)) >= 5, what="five failures")
        with receiving(port=port) as back:
            clock.ahead = timedelta(hours=1)
            back.wait(8)
            delivered(empty, 8)

    assert {error for _, status, error in attempts(empty) if status is None} == {"unreachable"}
    assert len(set(back.ids)) == len(back.ids) == 8


def test_a_breaker_keeps_most_attempts_from_a_dead_receiver(empty: Database, pepper: Pepper) -> None:
    """Twenty messages for nobody: the breaker opens after five failures, at most two are on their way meanwhile."""
    with receiving() as running:
        url = running.url
    endpoint(empty, pepper, url)
    with delivering(empty, pepper):
        put_out(empty, *(f"n{n}" for n in range(20)))
        wait_for(lambda: rows(empty, "SELECT paused_until FROM webhook_endpoints") != [(None,)], what="an open breaker")
        put_out(empty, "late")
        wait_for(lambda: states(empty).count("waiting") == 21)

    assert 5 <= len(attempts(empty)) <= 6


def drip(handler: BaseHTTPRequestHandler, number: int) -> None:
    """A status at once, and then a byte whenever it pleases."""
    handler.send_response(200)
    handler.send_header("content-length", "1000000")
    handler.end_headers()
    while True:
        handler.wfile.write(b".")
        handler.wfile.flush()
        time.sleep(0.05)


def gush(handler: BaseHTTPRequestHandler, number: int) -> None:
    """Ten gigabytes of answer."""
    handler.send_response(200)
    handler.send_header("content-length", str(10 * 2**30))
    handler.end_headers()
    for _ in range(10 * 2**10):
        handler.wfile.write(b"\0" * 2**20)


def silent(handler: BaseHTTPRequestHandler, number: int) -> None:
    """Nothing, for as long as the sender has patience."""
    handler.connection.recv(1)


def test_an_odd_receiver_costs_little_and_delays_nobody(empty: Database, pepper: Pepper, receiver: Receiver) -> None:
    """Silence, dripping and gushing are bounded in time and bytes; another endpoint's messages come meanwhile."""
    with receiving(silent) as one, receiving(drip) as two, receiving(gush) as three:
        for odd in (one, two, three):
            endpoint(empty, pepper, odd.url, "drift.detected")
        endpoint(empty, pepper, receiver.url, "metric.breached")
        with delivering(empty, pepper, wire=Wire(LOOPBACK, total_s=1.0)):
            put_out(empty, "odd", event_type="drift.detected")
            for odd in (one, two, three):
                odd.wait(1)
            began_s = monotonic_s()
            for n in range(5):
                put_out(empty, f"n{n}")
                receiver.wait(n + 1)
            took_s = monotonic_s() - began_s
            wait_for(lambda: len(attempts(empty)) >= 8, what="every attempt to end")

    assert took_s < 0.9, "the odd ones are still waited for, and nobody waits with them"
    ended = rows(empty, "SELECT status, error, duration_ms, length(answer) FROM webhook_attempts WHERE number = 1")
    assert sorted(error for _, error, _, _ in ended if error) == ["timeout", "timeout"]
    assert all(took_ms < 1_500 and (length or 0) <= 1_024 for _, _, took_ms, length in ended)


def test_a_receiver_that_is_gone_is_told_no_more(empty: Database, pepper: Pepper, receiver: Receiver) -> None:
    """410: the message has failed, the endpoint is disabled, a fact says so, and nothing more is put out for it."""
    receiver.behave = answering(410)
    name, _ = endpoint(empty, pepper, receiver.url)
    with delivering(empty, pepper):
        put_out(empty, "one")
        wait_for(lambda: states(empty) == ["failed"])
        put_out(empty, "two")

    assert states(empty) == ["failed"]
    kinds = "SELECT kind, body::json ->> 'subject' FROM staging.feedback_events WHERE kind = 'webhook_disabled'"
    assert rows(empty, kinds) == [("webhook_disabled", name)]


def test_a_redelivery_is_the_same_message(empty: Database, pepper: Pepper, receiver: Receiver) -> None:
    """What was delivered comes again, under its id."""
    name, _ = endpoint(empty, pepper, receiver.url)
    with delivering(empty, pepper):
        put_out(empty, "one")
        delivered(empty)
        with endpoints(empty, pepper) as mine:
            mine.redeliver(mine.find(name), receiver.ids[0])
        receiver.wait(2)
        delivered(empty)

    assert receiver.ids[0] == receiver.ids[1]
    assert [number for number, _, _ in attempts(empty)] == [1, 2]


def test_two_deliverers_share_the_work(empty: Database, pepper: Pepper, receiver: Receiver) -> None:
    """Each message goes out once, however many deliverers there are."""
    endpoint(empty, pepper, receiver.url)
    with delivering(empty, pepper), delivering(empty, pepper):
        put_out(empty, *(f"n{n}" for n in range(30)))
        delivered(empty, 30)

    assert len(receiver.ids) == len(set(receiver.ids)) == 30


def test_dying_between_sending_and_recording_sends_again(
    empty: Database, pepper: Pepper, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver sees the message twice, under one id: it is for the receiver to apply it once."""
    endpoint(empty, pepper, receiver.url)
    clock = Clock()

    async def die(*_: Any) -> None:
        raise asyncpg.InterfaceError("the connection is gone")

    with monkeypatch.context() as patched, delivering(empty, pepper, clock):
        patched.setattr(claims, "keep_attempt", die)
        put_out(empty, "one")
        receiver.wait(1)
    assert states(empty) == ["waiting"]

    clock.ahead = claims.LEASE * 2
    with delivering(empty, pepper, clock):
        delivered(empty)

    assert receiver.ids[0] == receiver.ids[1] and len(receiver.ids) == 2


def test_a_message_for_slack_is_a_line_of_text(empty: Database, pepper: Pepper, receiver: Receiver) -> None:
    """As Slack's incoming webhooks take it."""
    endpoint(empty, pepper, receiver.url, format="slack")
    with delivering(empty, pepper):
        put_out(empty, "accuracy fell")
        receiver.wait(1)

    assert orjson.loads(receiver.arrivals[0].body) == {"text": "metric.breached: accuracy fell"}


def test_what_ended_long_ago_is_forgotten(empty: Database, pepper: Pepper, receiver: Receiver) -> None:
    """Messages and attempts go after FEEDBACK_WEBHOOK_DAYS; what waits stays."""
    endpoint(empty, pepper, receiver.url)
    with delivering(empty, pepper):
        put_out(empty, "one")
        delivered(empty)
    clock = Clock()
    clock.ahead = timedelta(days=31)
    with delivering(empty, pepper, clock):
        wait_for(lambda: states(empty) == [])

    assert attempts(empty) == []


def test_a_receiver_that_confuses_us_fails_alone(
    empty: Database, pepper: Pepper, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw in an answer is one failed attempt; the deliverer goes on, and other messages go out."""

    def confused(response: Any, now: Any) -> float:
        raise LookupError(f"{now}: {response}")

    endpoint(empty, pepper, receiver.url)
    with delivering(empty, pepper):
        with monkeypatch.context() as patched:
            patched.setattr(sending, "_retry_after_s", confused)
            put_out(empty, "one")
            wait_for(lambda: attempts(empty) == [(1, None, "internal")], what="a failed attempt")
        put_out(empty, "two")
        delivered(empty)


def test_what_waits_for_nobody_is_forgotten(empty: Database, pepper: Pepper) -> None:
    """A message that was put out while its endpoint was being deleted does not wait for ever."""
    endpoint(empty, pepper, "http://127.0.0.1/")
    put_out(empty, "one")
    with empty.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM webhook_secrets; DELETE FROM webhook_endpoints")
    with delivering(empty, pepper):
        wait_for(lambda: states(empty) == [], what="an empty outbox")
