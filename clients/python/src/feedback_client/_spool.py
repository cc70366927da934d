"""The queue on disk: every event is in a file before `send` returns, and what a killed process left is sent first.

In the spool's folder each process writes a journal of its own, so that workers may share one folder. A process
that starts adopts the journals whose process is gone.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from feedback_client._identity import is_id
from feedback_client._journal import Journal, sync_folder
from feedback_client._memory import BufferFull
from feedback_client._options import Fsync
from feedback_client._segments import HEADER
from feedback_client._wire import Item
from feedback_client.errors import ConfigurationError

log = logging.getLogger("feedback_client")

SEGMENT_BYTES = 8 * 1024 * 1024


class Spool:
    """Same use as MemoryQueue. The bound counts this process's own files; adopted ones are only ever emptied."""

    def __init__(self, folder: Path, limit: int, fsync: Fsync) -> None:
        """Opens the folder, made where it is absent; raises ConfigurationError where that cannot be done."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._adopted = _adopt_all(folder)
        except OSError as error:
            raise ConfigurationError(f"cannot use the spool {folder}: {error.strerror or error}") from error
        if not os.access(folder, os.W_OK):
            raise ConfigurationError(f"cannot write to the spool {folder}")
        self._folder = folder
        self._limit = limit
        self._segment_bytes = min(SEGMENT_BYTES, limit // 8)
        self._fsync = fsync
        self._own: Journal | None = None
        self._dirty = False
        self._vanished = 0
        self.waiting_events = 0
        self.waiting_bytes = 0

    @property
    def backlog_bytes(self) -> int:
        """What other processes left behind and is not yet sent, in bytes of files."""
        return sum(journal.bytes for journal in self._adopted)

    def append(self, item: Item) -> None:
        """Adds an event; raises BufferFull at the bound, and where the disk does not take it."""
        used = self._own.bytes if self._own else 0
        if used + len(item.body) + 1 + HEADER.size > self._limit:
            raise BufferFull(f"{self.waiting_events} events ({used} bytes of files) wait in the spool")
        try:
            if self._own is None:
                self._own = Journal.create(self._folder)
                if self._fsync != "never":
                    sync_folder(self._folder)
            if self._own.append(item, self._segment_bytes) and self._fsync != "never":
                sync_folder(self._own.folder)
        except OSError as error:
            raise BufferFull(f"the spool cannot be written: {error.strerror or error}") from error
        self._dirty = self._fsync != "never"
        self.waiting_events += 1
        self.waiting_bytes += len(item.body)

    def take(self, events: int, bytes_: int) -> list[Item]:
        """The oldest events, at most so many and so large together; what others left behind comes first."""
        while self._adopted:
            items = self._adopted[0].read(events, bytes_)
            if items:
                return items
            self._adopted.pop(0).remove()
        items = self._own.read(events, bytes_) if self._own else []
        if not items and self.waiting_events:
            # Somebody damaged the file under us: what cannot be read is not waited for.
            self._vanished += self.waiting_events
            self.waiting_events = self.waiting_bytes = 0
        return items

    def settle(self, items: list[Item]) -> int:
        """The events of the last take are done; answers how many this process had added, unreadable ones included."""
        if self._adopted:
            self._adopted[0].settle()
            if not self._adopted[0].bytes:
                self._adopted.pop(0).remove()
            return 0
        if items and self._own is not None:
            self._own.settle()
        self.waiting_events -= len(items)
        self.waiting_bytes -= sum(len(item.body) for item in items)
        gone, self._vanished = self._vanished, 0
        return len(items) + gone

    def lost_at_close(self) -> Iterator[Item]:
        """Nothing: whoever starts next with this folder sends it."""
        return iter(())

    def unsynced(self) -> int | None:
        """A descriptor to fsync and close, where something was written since the last time."""
        if not self._dirty or self._own is None:
            return None
        self._dirty = False
        return self._own.unsynced()

    def close(self) -> None:
        """Lets go of every journal; those with nothing left to send are deleted."""
        for journal in self._adopted:
            journal.leave()
        self._adopted.clear()
        if self._own is not None and not self.waiting_events:
            self._own.remove()
        elif self._own is not None:
            self._own.leave()
        self._own = None

    def forget(self) -> None:
        """In a forked child: closes the parent's files and leaves them to the parent."""
        for journal in [*self._adopted, *([self._own] if self._own else [])]:
            journal.leave()


def _adopt_all(folder: Path) -> list[Journal]:
    adopted: list[Journal] = []
    for entry in sorted(folder.iterdir()):
        if not (is_id(entry.name) and entry.is_dir()):
            continue
        try:
            journal = Journal.adopt(entry)
        except OSError as error:
            log.error("cannot read the spool %s: %s; it is left as it is", entry, error.strerror or error)
            continue
        if journal is not None:
            adopted.append(journal)
    return adopted
