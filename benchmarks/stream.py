"""The stream: from a client's scheduled send to the training queue at 1,000 events/s, and how fast a backlog is taken.

Everything runs on the one machine: load, receiver, stream and database. Where the processor's time goes while a backlog
is taken, in µs an event (half inferences, half their truths): in the stream 40, of which reading the log 6, what its
rows say 7, attribution 11, rolling metrics 4, the training queue 4, enrichment 2, routing 1, the rest transactions; in
PostgreSQL 16, most of it COPY and its indexes. Reading goes on beside writing, in a thread: another process would cost
in handing over what it saves. Garbage is collected once for 20,000 events (without that: a fifth more).
"""

import itertools
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from asyncio import run as run_async
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
from sqlmodel import Session

from benchmarks import alerts, rollbacks
from benchmarks.full_log import full_log_ratios
from benchmarks.load import open_loop
from benchmarks.servers import ROOT, served
from feedback_ingest import log, migrate
from feedback_ingest.canonical import load_pepper
from feedback_ingest.keys import create
from feedback_ingest.postgres import Database, open_database
from feedback_ingest.settings import Settings
from feedback_loop.stream.process import leading

PER_S = 1_000
# One writer, one time a batch: what is later than all that was seen is what is new.
VISIBLE = (
    "SELECT feedback_id, queued_at, clock_timestamp() FROM training_examples WHERE project_id = 1 AND queued_at > %s"
)
COMMENT = "It answered the first half of my question and left the second one open. " * 2


def run(full: bool) -> dict[str, Any]:
    """All figures; `full` takes the backlog that the goal names."""
    if full:
        return measure(rounds=3, seconds=20, backlog=500_000, breaches=300, full_log=5_000_000)
    return measure(rounds=3, seconds=5, backlog=30_000, breaches=75, full_log=100_000)


def measure(rounds: int, seconds: float, backlog: int, breaches: int, full_log: int) -> dict[str, Any]:
    """`seconds` of open load a round, `breaches` of a threshold, then a backlog from the first offset, as often.

    At last the cost of a chunk behind a log of `full_log` events over the cost behind none.
    """
    with ExitStack() as stack:
        data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = Settings(data_dir=data_dir, database_url=None)
        database = open_database(settings)
        stack.callback(database.close)
        migrate.upgrade(database)
        with Session(database.engine) as session:
            key = create(session, "default", ["ingest"], datetime.now(UTC), None).key
            session.commit()
        figures: dict[str, list[float]] = {}
        environment = {"FEEDBACK_DATA_DIR": str(data_dir), **alerts.ENVIRONMENT}
        with served("api.receiver:app", environment) as server, streaming(environment):
            for _ in range(rounds):
                latencies_ms = queue_latencies_ms(database, server.port, key, seconds)
                centiles = statistics.quantiles(latencies_ms, n=100)
                figures.setdefault("queue_p50_ms", []).append(centiles[49])
                figures.setdefault("queue_p99_ms", []).append(centiles[98])
            told_ms = alerts.alert_latencies_ms(database, settings, server.port, key, Sender(key), breaches)
            figures["alert_p99_ms"] = [statistics.quantiles(told_ms, n=100)[98]]
            back_ms = rollbacks.effective_ms(database, settings, server.port, environment, Sender(key), breaches)
            figures["rollback_effective_ms"] = [statistics.quantiles(back_ms, n=100)[98]]
        append_backlog(database, settings, backlog)
        for _ in range(rounds):
            figures.setdefault("catch_up_events_s", []).append(catch_up_events_s(database, settings))
        figures["full_log_vs_empty"] = full_log_ratios(data_dir, full_log, rounds + 1, append_backlog)
    return summary(figures)


def summary(figures: dict[str, list[float]]) -> dict[str, Any]:
    """The medians, and under `figures` how they came about."""
    told = {
        name: {
            "median": round(statistics.median(values), 2),
            "spread": round(max(values) - min(values), 2),
            "rounds": len(values),
        }
        for name, values in figures.items()
    }
    return {**{name: seen["median"] for name, seen in told.items()}, "figures": told}


@contextmanager
def streaming(environment: dict[str, str]) -> Iterator[None]:
    """The stream, as a process of its own."""
    command = [sys.executable, "-m", "feedback_cli", "stream"]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}) as process:
        try:
            yield
        finally:
            process.terminate()


class Sender:
    """Inferences and feedback by turns, and when each feedback was due."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._number = itertools.count()
        self._prefix = secrets.token_hex(6)
        self._began: datetime | None = None
        self.due: dict[str, datetime] = {}

    def __call__(self) -> bytes:
        """The next request; the load generator asks for them in the order in which they are due."""
        number = next(self._number)
        self._began = self._began or datetime.now(UTC)
        name = f"{self._prefix}-{number // 2}"
        if number % 2 == 0:
            return self._request("/v1/inferences", inference(name))
        feedback_id = f"01900000-0000-7000-8000-{self._prefix[:4]}{number:08x}"
        self.due[feedback_id] = self._began + timedelta(seconds=number / PER_S)
        return self._request("/v1/feedback", {"feedback_id": feedback_id, **truth(name)})

    def _request(self, path: str, event: dict[str, Any]) -> bytes:
        body = orjson.dumps(event)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._key}\r\n"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def queue_latencies_ms(database: Database, port: int, key: str, seconds: float) -> list[float]:
    """Milliseconds from when each feedback was due to be sent until another connection sees it in the queue."""
    sender, over = Sender(key), threading.Event()
    seen: dict[str, datetime] = {}

    def watch() -> None:
        newest = datetime.now(UTC)
        with psycopg.connect(database.asyncpg_dsn, autocommit=True) as connection:
            while not (over.is_set() and len(seen) >= len(sender.due)):
                for feedback_id, queued_at, at in connection.execute(VISIBLE, [newest]):
                    seen[feedback_id], newest = at, max(newest, queued_at)
                time.sleep(0.002)

    watching = threading.Thread(target=watch)
    watching.start()
    load = run_async(open_loop(port, sender, 64, PER_S, seconds))
    over.set()
    watching.join()
    if load.refused:
        raise RuntimeError(f"{load.refused} requests were not answered with 201")
    return [(seen[name] - due).total_seconds() * 1000 for name, due in sender.due.items()]


def append_backlog(database: Database, settings: Settings, events: int, start: int = 0) -> None:
    """Inferences with their truths, numbered from `start`, in the log and not yet read."""
    pepper, chance = load_pepper(settings), random.Random(1)
    now = datetime.now(UTC)
    for first in range(start, start + events // 2, 500):
        facts = []
        for number in range(first, first + 500):
            name, at = f"backlog-{number}", now - timedelta(milliseconds=number)
            facts.append(log.Fact(1, "inference", name, inference(name), at))
            said = truth(name, label=str(chance.randrange(10)))
            facts.append(log.Fact(1, "feedback", f"01900000-0000-7000-9000-{number:012x}", said, at))
        with Session(database.engine) as session:
            log.append(session, facts, now, pepper)
            session.commit()


def catch_up_events_s(database: Database, settings: Settings) -> float:
    """Events a second over the whole log, with all consumers, from empty tables."""
    with leading(database, settings, anew=True) as stream:
        began = time.perf_counter()
        while stream.step():
            pass
        return stream.position / (time.perf_counter() - began)


def inference(name: str) -> dict[str, Any]:
    """About 650 bytes: an answer with its inputs and probabilities."""
    probabilities = {str(digit): 0.91 if digit == 3 else 0.01 for digit in range(10)}
    return {
        "inference_request_id": name,
        "model_name": "digits",
        "model_version": "digits-7",
        "inputs": {"pixels": [digit % 17 for digit in range(64)]},
        "outputs": [{"output_id": "A", "content": {"label": "3"}, "probabilities": probabilities}],
        "latency_ms": 3.2,
    }


def truth(name: str, label: str = "3") -> dict[str, Any]:
    """About 400 bytes: the right answer, learnt later."""
    return {
        "inference_request_id": name,
        "model_version": "digits-7",
        "feedback_type": "ground_truth",
        "feedback_value": {"label": label},
        "user_context": {"user_tier": "pro", "locale": "de-AT", "app": "web"},
        "rationale": COMMENT,
    }
