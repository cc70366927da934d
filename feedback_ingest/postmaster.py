"""The first process of the embedded PostgreSQL: the wait for its start, and what it leaves behind when it is killed."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from feedback_ingest.clock import monotonic_s
from feedback_ingest.errors import DatabaseUnavailable

DEADLINE_S = 10.0
START_S = 300.0


def bury(folder: Path) -> bool:
    """Makes room for a new server where the last one in `folder` is dead; says whether it was.

    A zombie answers to signals, so both the wheel and PostgreSQL would believe it; where process 1 reaps nobody, for
    ever. The lock files go only after the last backend has gone. Raises DatabaseUnavailable when one stays.
    """
    pid_file = folder / "postmaster.pid"
    try:
        pid, _, _, port, socket_folder, *_ = pid_file.read_text().splitlines()
        if _is_alive(int(pid)):
            return False
    except (FileNotFoundError, ValueError):
        return False
    ends_at = monotonic_s() + DEADLINE_S
    while _has_backends(folder):
        if monotonic_s() > ends_at:
            raise DatabaseUnavailable(f"the PostgreSQL in {folder} was killed and left backends; end them first")
        time.sleep(0.05)
    (Path(socket_folder) / f".s.PGSQL.{port}.lock").unlink(missing_ok=True)
    pid_file.unlink(missing_ok=True)
    return True


def postmaster_of(folder: Path) -> int | None:
    """Process id that the server in `folder` wrote down; None where there is none."""
    try:
        return int((folder / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None


def started(start: Callable[[], None], folder: Path) -> None:
    """Calls `start` until the server in `folder` is ready; raises what it raises where no process of one is left.

    The wheel gives up after ten seconds; after a kill a server on a slow disk reads its log for longer than that.
    """
    ends_at = monotonic_s() + START_S
    while True:
        try:
            return start()
        except Exception:
            pid = postmaster_of(folder)
            if pid is None or not _is_alive(pid) or monotonic_s() > ends_at:
                raise
            time.sleep(0.1)


def _is_alive(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _has_backends(folder: Path) -> bool:
    import psutil

    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error):
            if process.info["name"] == "postgres" and Path(process.cwd()) == folder:
                return True
    return False
