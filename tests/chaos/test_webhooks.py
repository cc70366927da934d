"""Webhooks when receivers fail, deliverers die and targets lie (failure tests 40 to 45)."""

import base64
import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import orjson
import pytest
import standardwebhooks

from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning import rules
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.webhooks.sending import signed
from tests.chaos.doors import PEPPER
from tests.chaos.streams import SIGNED, MakeFollower, fed
from tests.stream.events import append, inference, truth
from tests.stream.outboxes import Allowed, endpoint, put_out, rows, states
from tests.support.receivers import Receiver, answering, receiving
from tests.support.waiting import wait_for

ALLOW = {"webhook_allow": "127.0.0.1", "rule_min_samples": 5}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that thanks for everything."""
    with receiving() as running:
        yield running


def begun(database: Database) -> None:
    """Returns once a deliverer looks after the outbox."""
    looking = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'feedback webhooks'"
    wait_for(lambda: rows(database, looking) >= [(2,)], 60, "a deliverer")


def delivered(database: Database, count: int, within_s: float = 60) -> None:
    """Returns once so many messages are recorded as delivered."""
    wait_for(lambda: states(database).count("delivered") == count, within_s, f"{count} deliveries")


def told_at(receiver: Receiver) -> dict[str, float]:
    """When the first byte came of the first message about each model version."""
    return {orjson.loads(one.body)["data"]["model_version"]: one.at_s for one in reversed([*receiver.arrivals])}


@pytest.mark.chaos
@pytest.mark.parametrize(("plant", "holds"), [("", True), ("unheard", False)])
def test_an_alert_is_told_at_once(
    database: Database, make_follower: MakeFollower, receiver: Receiver, plant: str, holds: bool
) -> None:
    """A hundred breaches beside a thousand events a second: from commit to first byte p99 is below a second."""
    endpoint(database, SIGNED, receiver.url, "metric.breached")
    make_follower(plant, **ALLOW)
    begun(database)
    committed = {}
    with fed(database):
        for n in range(100):
            answers = [inference(f"b{n}-{k}", version=f"v{n}") for k in range(5)]
            wrong = [truth(f"w{n}-{k}", f"b{n}-{k}", 4, model_version=f"v{n}") for k in range(5)]
            append(database, SIGNED, *answers, *wrong)
            committed[f"v{n}"] = monotonic_s()
            threading.Event().wait(0.05)
        wait_for(lambda: committed.keys() <= told_at(receiver).keys(), 60, "every breach to be told")

    arrived = told_at(receiver)
    took_s = sorted(arrived[version] - at_s for version, at_s in committed.items())
    assert (took_s[98] < 1.0) == holds, took_s[-5:]


def silent(handler: BaseHTTPRequestHandler, number: int) -> None:
    """Nothing, for as long as the sender has patience."""
    handler.connection.recv(1)


@pytest.mark.chaos
@pytest.mark.parametrize(("plant", "holds"), [("", True), ("one_lane", False)])
def test_a_failing_receiver_delays_no_other(
    database: Database, make_follower: MakeFollower, receiver: Receiver, plant: str, holds: bool
) -> None:
    """One listens later, one is silent, one says 500: another's messages come at once, and theirs in the end.

    Who listens again gets everything, under the ids of the first attempts.
    """
    with receiving() as later:
        port = later.port
    with receiving(silent) as mute, receiving(answering(500, 500, 204)) as moody:
        urls = [f"http://127.0.0.1:{port}/hook", mute.url, moody.url]
        for url in urls:
            endpoint(database, SIGNED, url, "drift.detected")
        endpoint(database, SIGNED, receiver.url, "metric.breached")
        make_follower(plant, **ALLOW)
        begun(database)
        put_out(database, "trouble", event_type="drift.detected")
        mute.wait(1)
        began_s = monotonic_s()
        for n in range(20):
            put_out(database, f"n{n}")
        with receiving(port=port) as back:
            wait_for(lambda: len(receiver.arrivals) >= 20, 60, "the messages of the one that is well")
            took_s = receiver.arrivals[19].at_s - began_s
            if holds:
                back.wait(1, 30)
                delivered(database, 21)
                assert set(back.ids) == set(moody.ids) and len(set(moody.ids)) == 1

    assert (took_s < 2.0) == holds


@pytest.mark.chaos
@pytest.mark.parametrize(("plant", "holds"), [("", True), ("fresh_ids", False)])
def test_a_kill_between_sending_and_recording_changes_no_id(
    database: Database, make_follower: MakeFollower, receiver: Receiver, plant: str, holds: bool
) -> None:
    """kill -9 once the receiver has the message, before it answers: it comes again, and is applied once by its id."""
    endpoint(database, SIGNED, receiver.url)
    first = make_follower(plant, **ALLOW)
    assert first.process is not None
    pid = first.process.pid

    def deadly(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number == 1:
            os.kill(pid, signal.SIGKILL)
        answering(204)(handler, number)

    receiver.behave = deadly
    begun(database)
    put_out(database, "roll back", event_type="model.rollback_requested")
    receiver.wait(1)
    first.wait()
    make_follower(plant, **ALLOW)
    receiver.wait(2, 40)
    delivered(database, 1)

    applied = set(receiver.ids)
    assert (len(applied) == 1) == holds


@pytest.mark.chaos
@pytest.mark.parametrize(("plant", "holds"), [("", True), ("recorded_early", False)])
def test_kills_of_the_deliverer_lose_nothing(
    database: Database, make_follower: MakeFollower, receiver: Receiver, plant: str, holds: bool
) -> None:
    """kill -9 again and again while messages go out: each arrives in the end, under its one id."""
    endpoint(database, SIGNED, receiver.url)
    receiver.behave = lambda handler, number: (threading.Event().wait(0.02), answering(204)(handler, number))[1]
    names = [f"n{n}" for n in range(300)]
    put_out(database, *names)
    for kills in range(4):
        follower = make_follower(plant, **ALLOW)
        receiver.wait((kills + 1) * 20, 60)
        follower.kill()
    make_follower(plant, **ALLOW)
    wait_for(lambda: "waiting" not in states(database), 60, "an empty outbox")

    sent = {name for (name,) in rows(database, "SELECT message_id FROM webhook_messages")}
    assert (set(receiver.ids) == sent) == holds
    assert len(sent) == 300


def test_a_signature_of_less_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: who signs the id and the time alone finds a forged body good; an honest receiver does not."""
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    good = signed("msg_1", "{}", [secret], utc_now())
    honest = standardwebhooks.Webhook.sign

    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secret).verify('{"forged":1}', good)
    monkeypatch.setattr(
        standardwebhooks.Webhook, "sign", lambda self, msg_id, timestamp, data: honest(self, msg_id, timestamp, "")
    )
    lazy = signed("msg_1", "{}", [secret], utc_now())
    assert standardwebhooks.Webhook(secret).verify('{"forged":1}', lazy) == {"forged": 1}


@pytest.mark.chaos
@pytest.mark.parametrize(("plant", "holds"), [("", True), ("no_guard", False)])
def test_no_webhook_reaches_what_is_private(
    database: Database, make_follower: MakeFollower, plant: str, holds: bool
) -> None:
    """An endpoint that the operator does not allow (any more) is not connected to; its message tells why."""
    with receiving() as private:
        endpoint(database, SIGNED, private.url, allowed=Allowed.read("127.0.0.1"))
        make_follower(plant, webhook_allow="10.0.0.0/8")
        begun(database)
        put_out(database, "one")
        wait_for(lambda: rows(database, "SELECT 1 FROM webhook_attempts") != [], 60, "an attempt")
        arrived = list(private.arrivals)

    assert (arrived == []) == holds
    assert rows(database, "SELECT error FROM webhook_attempts") == [("target-refused",)] or not holds


@pytest.mark.chaos
@pytest.mark.parametrize("nervous", [False, True])
def test_a_fluttering_metric_is_told_once(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nervous: bool
) -> None:
    """A value that crosses its threshold again and again: one alert, one recovery, one message for each.

    The bug planted is a `nervous` rule: it takes the smallest step back for a recovery, and waits for nothing.
    """
    if nervous:
        honest = rules.default_rules
        monkeypatch.setattr(
            "feedback_loop.stream.ruling.rule_book.default_rules",
            lambda options: [rules.msgspec.structs.replace(rule, margin=0.0, cooldown_s=0) for rule in honest(options)],
        )
    settings = Settings(
        data_dir=tmp_path, database_url=database.url, pepper=PEPPER, bucket_s=1, rule_window_s=1, rule_min_samples=50
    )
    endpoint(database, SIGNED, "http://127.0.0.1/", "metric.breached", "metric.recovered")
    right = [[79, 79, 81, 81][n % 4] for n in range(60)] + [100] * 20
    for second, good in enumerate(right):
        names = [f"f{second}-{k}" for k in range(100)]
        append(
            database,
            SIGNED,
            *(inference(name, second=second) for name in names),
            *(truth(f"t-{name}", name, 3 if k < good else 4, second=second) for k, name in enumerate(names)),
        )
        catch_up(database, settings)

    told = [kind for (kind,) in rows(database, "SELECT event_type FROM webhook_messages ORDER BY created_at")]
    assert (told == ["metric.breached", "metric.recovered"]) is not nervous
