"""What a killed embedded PostgreSQL leaves behind: a process nobody reaped, children about to notice, lock files."""

import time
from contextlib import suppress
from pathlib import Path

from feedback_ingest.clock import monotonic_s
from feedback_ingest.errors import DatabaseUnavailable

DEADLINE_S = 10.0


def bury(folder: Path) -> None:
    """Makes room for a new server where the last one in `folder` is dead but its pid still counts as taken.

    A zombie answers to signals, so both the wheel and PostgreSQL would believe it; where process 1 reaps nobody, for
    ever. The lock files go only after the last backend has gone. Raises DatabaseUnavailable when one stays.
    """
    import psutil

    pid_file = folder / "postmaster.pid"
    try:
        pid, _, _, port, socket_folder, *_ = pid_file.read_text().splitlines()
        if psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE:
            return
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return
    ends_at = monotonic_s() + DEADLINE_S
    while _has_backends(folder):
        if monotonic_s() > ends_at:
            raise DatabaseUnavailable(f"the PostgreSQL in {folder} was killed and left backends; end them first")
        time.sleep(0.05)
    (Path(socket_folder) / f".s.PGSQL.{port}.lock").unlink(missing_ok=True)
    pid_file.unlink(missing_ok=True)


def _has_backends(folder: Path) -> bool:
    import psutil

    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error):
            if process.info["name"] == "postgres" and Path(process.cwd()) == folder:
                return True
    return False
