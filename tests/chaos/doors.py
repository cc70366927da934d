"""A receiver in a process group of its own, with faults planted or none, that a test kills piece by piece."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
from sqlmodel import Session

from feedback_ingest import keys
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from tests.ports import free_port
from tests.support.demo_runs import PLANTED
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
PEPPER = "pepper of the failure tests, long enough"


def key_for(database: Database, *scopes: str, project: str = "default", **limits: int) -> str:
    """A new key."""
    with Session(database.engine) as session:
        made = keys.create(session, project, list(scopes or ("ingest",)), utc_now(), **limits).key
        session.commit()
    return made


class Door:
    """`feedback api --only ingest` on a given database, or all of the API: its supervisor and its one worker."""

    def __init__(
        self, dsn: str, folder: Path, plant: str = "failpoints", is_whole: bool = False, **settings: object
    ) -> None:
        self._only = [] if is_whole else ["--only", "ingest"]
        self.folder = folder
        self.points = folder / "points"
        self.points.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "log"
        given = {f"FEEDBACK_{name.upper()}": str(value) for name, value in settings.items()}
        self._environment = {
            **os.environ, "FEEDBACK_DATABASE_URL": dsn, "FEEDBACK_DATA_DIR": str(folder), "FEEDBACK_PEPPER": PEPPER,
            "FEEDBACK_GRPC": "false", "PYTHONPATH": str(PLANTED), "PLANTED_BUG": plant,
            "PLANTED_POINTS": str(self.points), **given,
        }  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> "Door":
        """Starts it without waiting for it."""
        command = [sys.executable, "-m", "feedback_cli", "api", *self._only, "--port", str(self.port)]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=out, stderr=out, start_new_session=True
            )
        return self

    def start(self) -> "Door":
        """Returns when it is ready."""
        self.launch()
        self.wait(60)
        return self

    def is_ready(self) -> bool:
        """Does it say so?"""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def wait(self, deadline_s: float = 30) -> None:
        """Waits until it is ready."""
        wait_for(self.is_ready, deadline_s, "the receiver to be ready")

    def revive(self) -> None:
        """Waits until it is ready again; as a supervisor would, it starts it where its worker could not start."""
        assert self.process is not None

        def is_ready() -> bool:
            if self.process is not None and self.process.poll() is not None:
                self.launch()
            return self.is_ready()

        wait_for(is_ready, 30, "the receiver to be ready again")

    def worker(self) -> psutil.Process:
        """The process that serves."""
        assert self.process is not None
        return max(psutil.Process(self.process.pid).children(), key=lambda child: child.memory_info().rss)

    def kill_worker(self) -> None:
        """SIGKILL to the process that serves; its supervisor starts another."""
        self.worker().kill()

    def arm(self, point: str, action: str = "kill", number: int = 1) -> None:
        """Arms a failpoint; it is gone from `points` once it has fired."""
        hidden = self.folder / f"arming-{point}"
        hidden.write_text(f"{action} {number}")
        hidden.rename(self.points / point)

    def wait_fired(self, point: str) -> None:
        """Returns once the failpoint has fired."""
        wait_for(lambda: not (self.points / point).exists(), 20, f"{point} to fire")

    def kill(self) -> None:
        """SIGKILL to all of it at once."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def close(self) -> None:
        """An end of whatever is left of it."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
