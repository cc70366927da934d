"""The Python client and a server that dies: nothing lost, nothing doubled. Counted by what was said, not by its id."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from feedback_client import AsyncFeedbackClient, FeedbackClient

from tests.clients.conftest import PACKAGE, Api
from tests.clients.cutting_proxy import CuttingProxy
from tests.support.waiting import wait_for

ENDS = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM]
SETTINGS: dict[str, Any] = {"model_version": "7", "linger": 0.01, "batch_events": 20, "queue_events": 1_000_000}

SENDER = """
import os, sys, time
from feedback_client import FeedbackClient
url, key, spool, of, first = sys.argv[1:]
client = FeedbackClient(url, key, model_version="7", linger=0.01, batch_events=20, spool=spool)
number = int(first)
while True:
    client.rating(f"req-{number}", 3, metadata={"of": of, "number": number})
    os.write(1, b"%d\\n" % number)
    number += 1
    time.sleep(0.001)
"""


def _said(of: str, number: int) -> dict[str, Any]:
    return {"metadata": {"of": of, "number": number}, "tags": {"test": of}}


class Load:
    """A thread that says one thing after the other until it is stopped; `count` of them were taken."""

    def __init__(self, client: FeedbackClient, of: str) -> None:
        self.count = 0
        self._client = client
        self._of = of
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.001):
            self._client.rating(f"req-{self.count}", 4, **_said(self._of, self.count))
            self.count += 1

    def end(self) -> int:
        """Stops it; how many things were said."""
        self._stop.set()
        self._thread.join()
        return self.count


@pytest.mark.chaos
@pytest.mark.slow
def test_the_client_survives_restarts_of_the_server(api: Api) -> None:
    """Killed with SIGKILL and SIGTERM under load, four times: every event is in the log once."""
    refused: list[object] = []
    with FeedbackClient(api.url, api.key, on_refused=lambda *told: refused.append(told), **SETTINGS) as client:
        load = Load(client, "threads")
        for number in ENDS:
            goal = client.stats().accepted + 200
            wait_for(lambda goal=goal: client.stats().accepted >= goal, 60, "events to be accepted")
            api.end(number)
            waiting = load.count + 50
            wait_for(lambda waiting=waiting: load.count >= waiting, 60, "events to be said meanwhile")
            api.start()
        said = load.end()
        flushed = client.flush(60)
        stats = client.stats()

    counts = api.counts("threads")
    assert flushed and not refused
    assert sorted(counts) == list(range(said))
    assert set(counts.values()) == {1}
    assert stats.accepted + stats.duplicate == stats.taken == said
    assert stats.retries > 0


@pytest.mark.chaos
@pytest.mark.slow
def test_the_asyncio_client_survives_restarts_of_the_server(api: Api) -> None:
    """The same for asyncio, with callers that wait while the queue is full."""

    async def say(client: AsyncFeedbackClient, stop: asyncio.Event) -> int:
        number = 0
        while not stop.is_set():
            await client.rating(f"req-{number}", 4, **_said("asyncio", number))
            number += 1
            await asyncio.sleep(0.001)
        return number

    async def main() -> tuple[int, bool]:
        settings = SETTINGS | {"queue_events": 300, "block_timeout": 60}
        async with AsyncFeedbackClient(api.url, api.key, **settings) as client:
            stop = asyncio.Event()
            saying = asyncio.create_task(say(client, stop))
            for number in ENDS[:2]:
                goal = client.stats().accepted + 200
                await asyncio.to_thread(wait_for, lambda goal=goal: client.stats().accepted >= goal, 60, "acceptance")
                await asyncio.to_thread(api.end, number)
                await asyncio.to_thread(api.start)
            stop.set()
            return await saying, await client.flush(60)

    said, flushed = asyncio.run(asyncio.wait_for(main(), 180))

    counts = api.counts("asyncio")
    assert flushed
    assert sorted(counts) == list(range(said))
    assert set(counts.values()) == {1}


@pytest.mark.slow
def test_what_kill_9_leaves_of_the_client_arrives_once(api: Api, tmp_path: Path) -> None:
    """The client's process is killed four times, once while the server is down too; the spool brings everything."""
    told: list[int] = []
    for attempt in range(4):
        if attempt == 2:
            api.end(signal.SIGKILL)
        arguments = [api.url, api.key, str(tmp_path), "spool", str(10_000 * attempt)]
        process = subprocess.Popen(
            [sys.executable, "-c", SENDER, *arguments],
            env=os.environ | {"PYTHONPATH": str(PACKAGE)},
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        told += [int(process.stdout.readline()) for _ in range(150 + 130 * attempt)]
        process.kill()
        told += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]
        process.wait()
        if attempt == 2:
            api.start()

    with FeedbackClient(api.url, api.key, spool=tmp_path) as client:
        flushed = client.flush(60)

    counts = api.counts("spool")
    assert flushed
    assert set(told) <= set(counts)
    assert len(set(counts) - set(told)) <= 4
    assert set(counts.values()) == {1}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("planted", [None, "a new id at every attempt"])
def test_an_answer_that_is_lost_doubles_nothing(api: Api, planted: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server stored the batch and its answer was cut off: sent again it is stored once, which only its id does.

    With the bug planted that gives an event a new id for each attempt, the same count finds it doubled.
    """
    of = f"cut {planted}"
    proxy = CuttingProxy(api.url, cuts=3)
    if planted:
        _plant_new_ids(monkeypatch)
    with FeedbackClient(proxy.url, api.key, **SETTINGS) as client:
        for number in range(100):
            client.rating(f"req-{number}", 4, **_said(of, number))
        flushed = client.flush(60)
        stats = client.stats()
    proxy.close()

    counts = api.counts(of)
    assert flushed and proxy.has_cut
    assert sorted(counts) == list(range(100))
    assert (max(counts.values()) > 1) == bool(planted)
    assert (stats.duplicate > 0) == (not planted)


def _plant_new_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    from feedback_client import _delivery, new_id
    from feedback_client._wire import Item

    attempt = _delivery.Courier._attempt

    def planted(self: Any, batch: list[Item], terms: Any) -> Any:
        renamed = [Item(i.kind, json.dumps({**i.event(), "feedback_id": new_id()}).encode()) for i in batch]
        return attempt(self, renamed, terms)

    monkeypatch.setattr(_delivery.Courier, "_attempt", planted)


def test_a_restart_is_noticed_by_nobody_who_waits(api: Api) -> None:
    """`now` tries again within its deadline: the receipt comes although the server was down when it was asked."""
    with FeedbackClient(api.url, api.key, model_version="7", deadline=60) as client:
        api.end(signal.SIGTERM)
        starting = threading.Thread(target=api.start)
        starting.start()
        began = time.monotonic()
        receipt = client.now.thumb("req-now", True)
        starting.join()

    assert receipt.status in ("accepted", "duplicate")
    assert time.monotonic() - began < 60
