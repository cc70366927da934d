"""`feedback up` keeps its promise when a part of it is killed: it comes back, and nothing acknowledged is lost."""

import json
import os
import threading
import uuid
from pathlib import Path

import httpx
import pytest

from tests.support.running_up import RunningUp, running_up
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

PARTS = ("api", "stream", "code-server", "webserver", "daemon", "runs")
KNOWN = "SELECT id FROM staging.feedback_events WHERE kind = 'feedback'"
BEHIND = """
SELECT (SELECT max(next_offset) - 1 FROM staging.log_head)
    - (SELECT min(log_offset) FROM consumer_positions)
"""


class Client(threading.Thread):
    """Posts feedback without a pause and keeps the ids that were acknowledged; never sends one again."""

    def __init__(self, up: RunningUp) -> None:
        super().__init__(daemon=True)
        self._url = up.state()["api"]
        self._key = json.loads(up.feedback("keys", "create", "--project", "default", "--scope", "ingest", "--json"))
        self.acknowledged: set[str] = set()
        self.is_stopping = threading.Event()

    def run(self) -> None:
        """Until `is_stopping`."""
        headers = {"Authorization": f"Bearer {self._key['key']}"}
        with httpx.Client(base_url=self._url, headers=headers, trust_env=False) as http:
            while not self.is_stopping.wait(0.005):
                event = str(uuid.uuid4())
                body = {
                    "feedback_id": event,
                    "inference_request_id": f"request-{event}",
                    "model_version": "m-1",
                    "feedback_type": "explicit_binary",
                    "feedback_value": {"positive": True},
                    "user_context": {},
                }
                try:
                    answer = http.post("/v1/feedback", json=body)
                except httpx.TransportError:
                    continue
                if answer.status_code == 201:
                    self.acknowledged.add(event)

    def posts_again(self) -> None:
        """Returns when one more event was acknowledged."""
        before = len(self.acknowledged)
        wait_for(lambda: len(self.acknowledged) > before, 60, "an acknowledgement")


def ask(up: RunningUp, query: str) -> list[str]:
    """The first column of a query's rows."""
    return up.feedback("psql", "--csv", "--tuples-only", "-c", query).split()


def kill_postgres(data_dir: Path) -> None:
    """SIGKILL to the embedded server's first process."""
    pid = (data_dir / "postgres" / "postmaster.pid").read_text().split()[0]
    os.kill(int(pid), 9)


def test_every_part_comes_back_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """Each part is killed once under load: it is started again and said so, the rest goes on, all events are there."""
    data_dir = tmp_path / "data"
    with running_up(data_dir) as up:
        client = Client(up)
        client.start()
        client.posts_again()

        for part in PARTS:
            up.kill(part)
            client.posts_again()
        kill_postgres(data_dir)
        wait_for(lambda: "PostgreSQL was killed; it runs again" in up.said(), 60, "PostgreSQL")
        client.posts_again()
        wait_for(up.is_ready, 60, "the API")
        client.is_stopping.set()
        client.join(30)
        wait_for(lambda: ask(up, BEHIND) == ["0"], 60, "the stream to catch up")
        known = set(ask(up, KNOWN))
        pids = [child["pid"] for child in up.state()["children"].values()]
        said, code = up.said(), up.stop()

    assert client.acknowledged <= known
    assert all(f"{part} was killed by SIGKILL; starting it again" in said for part in PARTS)
    assert code == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.chaos
def test_a_killed_up_leaves_nothing_that_stops_the_next_one(tmp_path: Path) -> None:
    """After SIGKILL to `feedback up` itself its parts are found by the next one, stopped and replaced."""
    data_dir = tmp_path / "data"
    with running_up(data_dir) as first:
        orphans = [child["pid"] for child in first.state()["children"].values()]
        os.kill(first.process.pid, 9)
        first.process.wait(10)

        with running_up(data_dir) as second:
            said = second.said()
            assert second.is_ready()
            code = second.stop()

    assert "an earlier run was killed and left 6 processes; stopping them" in said
    assert not any(Path(f"/proc/{pid}").exists() for pid in orphans)
    assert code == 0
