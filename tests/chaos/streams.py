"""The stream in a process of its own that a test kills and freezes, and the events it is fed meanwhile."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.canonical import Pepper
from feedback_ingest.log import CHANNEL, head
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream import process
from feedback_loop.stream.status import status
from tests.chaos.doors import PEPPER, ROOT
from tests.stream.events import append, pairs, recount, tables
from tests.support.demo_runs import PLANTED
from tests.support.waiting import wait_for

SIGNED = Pepper(PEPPER.encode())


class Follower:
    """`feedback stream` on a given database; `plant` names its faults, `settings` are the environment's."""

    def __init__(self, database: Database, folder: Path, plant: str = "", **settings: object) -> None:
        self.points, self.log = folder / "points", folder / "log"
        self.points.mkdir(parents=True, exist_ok=True)
        given = {f"FEEDBACK_{name.upper()}": str(value) for name, value in settings.items()}
        self._environment = {
            **os.environ, "FEEDBACK_DATABASE_URL": database.asyncpg_dsn, "FEEDBACK_DATA_DIR": str(folder),
            "FEEDBACK_PEPPER": PEPPER, "PYTHONPATH": str(PLANTED), "PLANTED_BUG": plant,
            "PLANTED_POINTS": str(self.points), **given,
        }  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Follower":
        """Starts it without waiting for it."""
        with self.log.open("ab") as out:
            command = [sys.executable, "-m", "feedback_cli", "stream"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=out, stderr=out)
        return self

    def send(self, blow: signal.Signals) -> None:
        """A signal to it."""
        assert self.process is not None
        self.process.send_signal(blow)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.send(signal.SIGKILL)
        self.wait()

    def wait(self, within_s: float = 30) -> int:
        """Its exit code, once it has ended."""
        assert self.process is not None
        return self.process.wait(within_s)

    def arm(self, point: str, number: int) -> None:
        """Has it killed at the so-manieth passing of a failpoint; it is gone from `points` once it has fired."""
        hidden = self.points.parent / "arming"
        hidden.write_text(f"kill {number}")
        hidden.rename(self.points / point)

    def peak_mib(self) -> float:
        """The most memory that it ever held."""
        assert self.process is not None
        told = Path(f"/proc/{self.process.pid}/status").read_text().partition("VmHWM:")[2]
        return int(told.split()[0]) / 1024

    def close(self) -> None:
        """An end of whatever is left of it."""
        if self.process is not None and self.process.poll() is None:
            psutil.Process(self.process.pid).resume()
            self.kill()


MakeFollower = Callable[..., Follower]


@contextmanager
def fed(database: Database, at_once: int = 10) -> Iterator[None]:
    """Inferences with their truths are appended all the time meanwhile, a thousand or so a second."""
    over = threading.Event()

    def feed() -> None:
        first = head_of(database)
        while not over.wait(at_once * 2 / 1000):
            append(database, SIGNED, *pairs(first, at_once))
            first += at_once

    feeding = threading.Thread(target=feed)
    feeding.start()
    try:
        yield
    finally:
        over.set()
        feeding.join()


@contextmanager
def following(database: Database, settings: Settings) -> Iterator[threading.Thread]:
    """A stream in a thread of this process."""
    stop = threading.Event()
    thread = threading.Thread(target=process.run, args=(database, settings, stop), daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        with database.engine.begin() as connection:
            connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
        thread.join(20)


def head_of(database: Database) -> int:
    """The last offset of the log."""
    with Session(database.engine) as session:
        return head(session)


def place_of(database: Database) -> int:
    """Up to here every consumer has been."""
    with Session(database.engine) as session:
        return status(session).log_offset


def wait_for_place(database: Database, at_least: int, within_s: float = 30) -> None:
    """Returns once the stream has got there."""
    wait_for(lambda: place_of(database) >= at_least, within_s, f"the stream to reach {at_least}")


def is_exact(database: Database, settings: Settings) -> bool:
    """Whether the rolling numbers are what a recount of the log gives, to the last digit, and nothing was buried."""
    with Session(database.engine) as session:
        buried = session.execute(text("SELECT count(*) FROM dead_letters")).scalar_one()
    return buried == 0 and tables(database)["live_metrics"] == recount(database, settings.bucket_s)
