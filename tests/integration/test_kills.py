"""Kill the receiver or its PostgreSQL while events come in: what was acknowledged is in the log once, without gaps."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlmodel import Session, select

from feedback_ingest import migrate
from feedback_ingest.clock import utc_now
from feedback_ingest.keys import create
from feedback_ingest.postgres import open_database
from feedback_ingest.settings import Settings
from feedback_ingest.tables import FeedbackEvent

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 8
CLIENTS = 4
DEADLINE_S = 60


@dataclass
class Receiver:
    """A receiver on one data directory and one port that can be killed and started again."""

    data_dir: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it is ready."""
        command = [sys.executable, "-m", "feedback_cli", "api", "--only", "ingest", "--port", str(self.port)]
        environment = {**os.environ, "FEEDBACK_DATA_DIR": str(self.data_dir), "FEEDBACK_GRPC": "false"}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
        ends_at = time.monotonic() + DEADLINE_S
        while time.monotonic() < ends_at:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2).close()
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        pytest.fail("the receiver did not become ready")

    def kill(self) -> None:
        """SIGKILL to the server and its workers."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def stop(self) -> None:
        """An orderly end of both; this process cannot sign off from a PostgreSQL that others started again."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(DEADLINE_S)
        self.kill_postgres(signal.SIGINT)

    def kill_postgres(self, how: signal.Signals = signal.SIGKILL) -> None:
        """SIGKILL to the postmaster: its children notice and end, nothing is flushed."""
        postmaster = int((self.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, how)


@dataclass
class Clients:
    """Threads that post events, each again under its id until it is acknowledged."""

    url: str
    key: str
    acknowledged: dict[str, int] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Posts one event after the other until told to stop."""
        while not self.stop.is_set():
            name = str(uuid.uuid4())
            offset = self._post_until_acknowledged(name)
            if offset is not None:
                self.acknowledged[name] = offset

    def _post_until_acknowledged(self, name: str) -> int | None:
        event = {
            "feedback_id": name,
            "inference_request_id": f"req-{name}",
            "model_version": "1",
            "feedback_type": "explicit_binary",
            "feedback_value": {"positive": True},
        }
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url, json.dumps(event).encode(), headers)
        while not self.stop.is_set():
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return int(json.load(answer)["offset"])
            except (urllib.error.URLError, OSError, json.JSONDecodeError):
                time.sleep(0.02)
        return None


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """A running receiver, stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        running = Receiver(tmp_path / "data", probe.getsockname()[1])
    running.start()
    yield running
    running.stop()


@pytest.mark.chaos
def test_what_was_acknowledged_survives_kills(receiver: Receiver) -> None:
    """Eight kills, half of them of PostgreSQL too: every acknowledged event is in the log once, at the offset told."""
    database = open_database(Settings(data_dir=receiver.data_dir, database_url=None))
    migrate.check(database)
    with Session(database.engine) as session:
        key = create(session, "default", ["ingest"], utc_now(), None).key
        session.commit()
    clients = Clients(f"http://127.0.0.1:{receiver.port}/v1/feedback", key)
    threads = [threading.Thread(target=clients.run, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()

    for number in range(ROUNDS):
        _wait_for_more(clients, 50 + random.randrange(100))
        receiver.kill()
        if number % 2:
            receiver.kill_postgres()
        receiver.start()
    _wait_for_more(clients, 50)
    clients.stop.set()
    for thread in threads:
        thread.join(DEADLINE_S)

    again = open_database(Settings(data_dir=receiver.data_dir, database_url=None))
    with Session(again.engine) as session:
        rows = session.exec(select(FeedbackEvent.log_offset, FeedbackEvent.id)).all()
    stored = {name: offset for offset, name in rows}
    assert len(rows) == len(stored)
    assert sorted(stored.values()) == list(range(1, len(rows) + 1))
    assert {name: stored.get(name) for name in clients.acknowledged} == clients.acknowledged
    again.close()
    database.close()


def _wait_for_more(clients: Clients, count: int) -> None:
    goal, ends_at = len(clients.acknowledged) + count, time.monotonic() + DEADLINE_S
    while len(clients.acknowledged) < goal:
        assert time.monotonic() < ends_at, "no event is acknowledged any more"
        time.sleep(0.02)
