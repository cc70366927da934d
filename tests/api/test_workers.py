"""Several workers on one port: one log without gaps, limits and figures in sum, and one that is killed comes back."""

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
from sqlalchemy import text
from sqlmodel import Session

from api.grpc_door import feedback_pb2 as pb
from feedback_ingest.clock import monotonic_s
from feedback_ingest.postgres import Database
from tests.api.conftest import PEPPER, wait_until_ready
from tests.api.rpc import Rpc, event, raw
from tests.ports import free_port
from tests.support.waiting import wait_for

MakeKey = Callable[..., str]
WORKERS = 2


class Server:
    """`feedback api --workers 2` in a process group of its own, asked over a new connection each time."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._port, self.grpc_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        settings = {
            "FEEDBACK_DATABASE_URL": database.url, "FEEDBACK_DATA_DIR": str(folder), "FEEDBACK_PEPPER": PEPPER,
        }  # fmt: skip
        command = [
            sys.executable, "-m", "feedback_cli", "api", "--only", "ingest", "--port", str(self._port),
            "--workers", str(WORKERS), "--grpc-port", str(self.grpc_port),
        ]  # fmt: skip
        self.log = folder / "log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                command, env=os.environ | settings, stdout=out, stderr=out, start_new_session=True
            )

    def children(self) -> list[int]:
        """The processes of the workers, ready or not."""
        return [child.pid for child in psutil.Process(self.process.pid).children() if _is_worker(child)]

    def workers(self) -> list[int]:
        """Those that listen."""
        return [pid for pid in self.children() if self._port in _ports(pid)]

    def wait(self) -> None:
        """Returns once every worker listens."""
        wait_until_ready(self.url, self.process, self.log)
        wait_for(lambda: len(self.workers()) == WORKERS, 60, "every worker to listen")

    def post(self, key: str, name: str | None = None) -> httpx.Response:
        """One event."""
        said, headers = event(feedback_id=name or str(uuid.uuid4())), {"Authorization": f"Bearer {key}"}
        return httpx.post(f"{self.url}/v1/feedback", headers=headers, json=said, timeout=10, trust_env=False)

    def post_until_acknowledged(self, key: str) -> tuple[str, int]:
        """One event again under its id until its offset is told."""
        name, ends_s = str(uuid.uuid4()), monotonic_s() + 40
        while monotonic_s() < ends_s and self.process.poll() is None:
            try:
                answer = self.post(key, name)
            except httpx.HTTPError:
                continue
            if answer.status_code in (200, 201):
                return name, int(answer.json()["offset"])
            assert answer.status_code == 503
        raise AssertionError(self.log.read_text())

    def accepted(self) -> float:
        """How many feedback events the figures say were stored."""
        figures = httpx.get(f"{self.url}/metrics", trust_env=False).text
        found = re.search(r'^feedback_events_total\{kind="feedback",outcome="accepted"\} (\S+)', figures, re.MULTILINE)
        return float(found[1]) if found else 0.0


def _is_worker(child: psutil.Process) -> bool:
    try:
        return "resource_tracker" not in " ".join(child.cmdline())
    except psutil.NoSuchProcess:
        return False


def _ports(pid: int) -> set[int]:
    try:
        found = psutil.Process(pid).net_connections("tcp")
    except psutil.NoSuchProcess:
        return set()
    return {at.laddr.port for at in found if at.status == psutil.CONN_LISTEN}


@pytest.fixture(scope="module")
def pair(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Started, and ended in order."""
    running = Server(database, tmp_path_factory.mktemp("workers"))
    try:
        running.wait()
        yield running
    finally:
        running.process.terminate()
        assert running.process.wait(20) == 0, running.log.read_text()


def test_limits_hold_in_sum(pair: Server, make_key: MakeKey) -> None:
    """Each worker lets in its half of a key's limit, and says so."""
    key, began_s = make_key("ingest", events_per_minute=40), monotonic_s()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(pair.post, repeat(key, 120)))

    taken = [answer for answer in answers if answer.status_code == 201]
    came_back = (monotonic_s() - began_s) * 40 / 60
    # In flight at the same moment, up to eight may find the last token of a bucket.
    assert 20 + came_back + 8 < len(taken) <= 40 + came_back + 2 * 8
    assert {answer.status_code for answer in answers} == {201, 429}
    assert all(answer.headers["ratelimit-policy"].startswith('"events";q=20;') for answer in answers)


def test_figures_are_of_all_workers(pair: Server, make_key: MakeKey) -> None:
    """Whichever worker is asked tells the same sum."""
    key, before = make_key("ingest"), pair.accepted()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(pair.post_until_acknowledged, repeat(key, 40)))

    assert {pair.accepted() for _ in range(12)} == {before + 40}


def test_a_killed_worker_comes_back_and_nothing_is_lost(pair: Server, make_key: MakeKey, database: Database) -> None:
    """Twice within a moment, under load, gRPC included: acknowledged once each, offsets without a gap."""
    key, first = make_key("ingest"), pair.children()
    killed = first[0]

    with ThreadPoolExecutor(8) as pool:
        posted = [pool.submit(pair.post_until_acknowledged, key) for _ in range(200)]
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: bool(set(pair.children()) - set(first)), 60, "a successor")
        os.kill(next(iter(set(pair.children()) - set(first))), signal.SIGKILL)
        acknowledged = dict(future.result() for future in posted)
    wait_for(lambda: len(pair.workers()) == WORKERS, 60, "the killed worker's successor")

    with Session(database.engine) as session:
        rows = session.execute(text("SELECT id, log_offset FROM staging.feedback_events ORDER BY log_offset")).all()
    offsets = [row.log_offset for row in rows]
    assert offsets == list(range(offsets[0], offsets[0] + len(rows)))
    assert acknowledged.items() <= {row.id: row.log_offset for row in rows}.items()
    assert len({row.id for row in rows}) == len(rows)
    assert set(first) & set(pair.workers()) == {first[1]}
    with grpc.insecure_channel(f"127.0.0.1:{pair.grpc_port}") as channel:
        Rpc(channel, key).call("SubmitFeedback", pb.SubmitFeedbackRequest(event=raw(event())))
