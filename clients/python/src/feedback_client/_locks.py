"""A lock on a file that ends with its process, on POSIX and on Windows."""

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FileLock:
    """Held until released, or until the process is gone, kill -9 included."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path) -> "FileLock | None":
        """The lock, or None where somebody holds it; raises OSError where the file cannot be made."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if sys.platform == "win32":
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            else:
                # flock, not lockf: two clients of one process exclude each other too, and closing a copy frees nothing.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    def release(self, *, remove: bool = False) -> None:
        """Lets go; `remove` deletes the file too, before anybody else can lock it."""
        if remove and sys.platform != "win32":
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        if remove and sys.platform == "win32":
            self._path.unlink(missing_ok=True)
