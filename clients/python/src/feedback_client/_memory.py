"""The queue in memory: bounded in events and bytes, gone with the process."""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from feedback_client._wire import Item


class BufferFull(Exception):
    """The bound is reached; the message says which."""


class MemoryQueue:
    """Events in order. `take` only looks; what was taken leaves with `settle`, so nothing in flight is forgotten."""

    def __init__(self, events: int, bytes_: int) -> None:
        self._limits = (events, bytes_)
        self._items: deque[Item] = deque()
        self.waiting_events = 0
        self.waiting_bytes = 0
        self.backlog_bytes = 0

    def append(self, item: Item) -> None:
        """Adds an event; raises BufferFull."""
        events, bytes_ = self._limits
        if self.waiting_events >= events or self.waiting_bytes + len(item.body) > max(bytes_, len(item.body)):
            raise BufferFull(f"{self.waiting_events} events ({self.waiting_bytes} bytes) wait in memory")
        self._items.append(item)
        self.waiting_events += 1
        self.waiting_bytes += len(item.body)

    def take(self, events: int, bytes_: int) -> list[Item]:
        """The oldest events, at most so many and so large together, at least one where any waits."""
        taken: list[Item] = []
        for item in islice(self._items, events):
            bytes_ -= len(item.body) + 1
            if taken and bytes_ < 0:
                break
            taken.append(item)
        return taken

    def settle(self, items: list[Item]) -> int:
        """The events of the last take are done; answers how many of them this process had added."""
        for _ in items:
            self.waiting_bytes -= len(self._items.popleft().body)
        self.waiting_events -= len(items)
        return len(items)

    def lost_at_close(self) -> Iterator[Item]:
        """What nobody will send once the process is gone."""
        return iter(list(self._items))

    def unsynced(self) -> int | None:
        """A file descriptor to fsync and close, or None: memory is not synced."""
        return None

    def close(self) -> None:
        """Forgets everything; `lost_at_close` said what that is."""
        self._items.clear()
        self.waiting_events = self.waiting_bytes = 0

    def forget(self) -> None:
        """In a forked child: the parent sends its own."""
