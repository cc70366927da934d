"""The data directory as a whole: is it ours, of our version, with room left, and used by one supervisor at a time."""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from feedback_ingest.errors import DataDirMismatch, SetupError

LAYOUT_VERSION = "1"
NEEDED_MIB = 200


class AlreadyRunning(SetupError):
    """Another `feedback up` uses this data directory; stop it or choose another with FEEDBACK_DATA_DIR."""


class DiskFull(SetupError):
    """The disk of the data directory is full; make room or choose another with FEEDBACK_DATA_DIR."""


@contextmanager
def claimed(data_dir: Path) -> Iterator[None]:
    """Holds the data directory for this process; raises AlreadyRunning, DiskFull, DataDirMismatch or SetupError."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        check_room(data_dir)
        check_version(data_dir)
        lock = (data_dir / "up.lock").open("a+")
    except OSError as error:
        raise _explained(data_dir, error) from error
    with lock:
        _lock(lock, data_dir)
        yield


def check_room(data_dir: Path) -> None:
    """Raises DiskFull when less than NEEDED_MIB is free where `data_dir` lies."""
    free_mib = shutil.disk_usage(data_dir).free // 2**20
    if free_mib < NEEDED_MIB:
        raise DiskFull(
            f"only {free_mib} MiB are free for {data_dir} and {NEEDED_MIB} MiB are needed to start; "
            "make room or set FEEDBACK_DATA_DIR to another disk"
        )


def check_version(data_dir: Path) -> None:
    """Stamps a new directory with LAYOUT_VERSION; raises DataDirMismatch when it bears another one."""
    stamp = data_dir / "VERSION"
    if not stamp.exists():
        stamp.write_text(LAYOUT_VERSION + "\n")
    found = stamp.read_text().strip()[:20]
    if found != LAYOUT_VERSION:
        raise DataDirMismatch(
            f"{data_dir} was made by another version (layout {found!r}, this program knows {LAYOUT_VERSION!r}); "
            "use that version or set FEEDBACK_DATA_DIR to a new folder"
        )


def write_state(data_dir: Path, state: dict[str, Any]) -> None:
    """Leaves `state` (addresses and process ids) in up.json, whole or not at all."""
    half = data_dir / "up.json.tmp"
    half.write_text(json.dumps(state, indent=1) + "\n")
    half.replace(data_dir / "up.json")


def read_state(data_dir: Path) -> dict[str, Any]:
    """What the last supervisor wrote; empty when there is none."""
    try:
        state: dict[str, Any] = json.loads((data_dir / "up.json").read_text())
    except (OSError, ValueError):
        return {}
    return state


def _lock(lock: IO[str], data_dir: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        raise AlreadyRunning(
            f"{data_dir} is used by another `feedback up` (process {holder}); "
            "stop it or set FEEDBACK_DATA_DIR to another folder"
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def _explained(data_dir: Path, error: OSError) -> SetupError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"the disk of {data_dir} is full; make room or set FEEDBACK_DATA_DIR to another disk")
    return SetupError(f"cannot use {data_dir} ({error.strerror}); set FEEDBACK_DATA_DIR to a folder you can write")
