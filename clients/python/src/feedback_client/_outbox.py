"""What waits to be sent and when it is due: the same for threads and asyncio. Not thread-safe; callers hold a lock."""

import time
from collections.abc import Iterator

from feedback_client._memory import BufferFull, MemoryQueue
from feedback_client._options import Options
from feedback_client._spool import Spool
from feedback_client._wire import Item

FSYNC_INTERVAL_S = 1.0


class Outbox:
    """The queue with its clock. `added` and `settled` count this process's events, so a flush knows its goal."""

    def __init__(self, options: Options) -> None:
        """Opens the spool where there is one; raises ConfigurationError."""
        folder = options.spool_folder
        if folder is None:
            self._queue: MemoryQueue | Spool = MemoryQueue(options.queue_events, options.queue_bytes)
        else:
            self._queue = Spool(folder, options.spool_bytes, options.spool_fsync)
        self._linger = options.linger
        self._limits = (options.batch_events, options.batch_bytes)
        self._fsync_always = options.spool_fsync == "always"
        self._oldest_at = self._synced_at = time.monotonic()
        self.urgent_until = 0
        self.added = self.settled = self.replayed = 0

    @property
    def waiting_events(self) -> int:
        """Events of this process without an outcome yet."""
        return self._queue.waiting_events

    @property
    def waiting_bytes(self) -> int:
        """The size of those events as JSON."""
        return self._queue.waiting_bytes

    @property
    def backlog_bytes(self) -> int:
        """Bytes of spool files that an earlier process left."""
        return self._queue.backlog_bytes

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, here or from before."""
        return not self._queue.waiting_events and not self._queue.backlog_bytes

    def add(self, item: Item) -> bool:
        """Takes an event; raises BufferFull. Answers whether a sender that sleeps should look now."""
        was_empty = not self._queue.waiting_events
        self._queue.append(item)
        self.added += 1
        if was_empty:
            self._oldest_at = time.monotonic()
        return was_empty or self._is_large

    def due_in(self) -> float | None:
        """Seconds until a batch should go, 0 for now, None while nothing waits."""
        if self._queue.backlog_bytes or self._is_large or self.settled < min(self.urgent_until, self.added):
            return 0.0
        if not self._queue.waiting_events:
            return None
        return max(0.0, self._oldest_at + self._linger - time.monotonic())

    def hurry(self) -> int:
        """What waits now is due now; answers the count of settled events at which it has gone."""
        self.urgent_until = self.added
        return self.added

    def take(self, events: int, bytes_: int) -> list[Item]:
        """The oldest events; they stay here until `settle`."""
        return self._queue.take(events, bytes_)

    def settle(self, items: list[Item]) -> None:
        """These events, as `take` gave them, have their outcome."""
        own = self._queue.settle(items)
        self.settled += own
        self.replayed += len(items) - min(own, len(items))
        self._oldest_at = time.monotonic()

    def unsynced(self, *, appended: bool = False) -> int | None:
        """A descriptor to fsync and close now: after each event, or once a second, as `spool_fsync` says."""
        now = time.monotonic()
        if appended != self._fsync_always or (not appended and now - self._synced_at < FSYNC_INTERVAL_S):
            return None
        self._synced_at = now
        return self._queue.unsynced()

    def lost_at_close(self) -> Iterator[Item]:
        """Events that only this process knows."""
        return self._queue.lost_at_close()

    def close(self) -> None:
        """Closes the spool; what was not sent stays in it."""
        self._queue.close()

    def forget(self) -> None:
        """In a forked child: leaves everything to the parent."""
        self._queue.forget()

    @property
    def _is_large(self) -> bool:
        events, bytes_ = self._limits
        return self._queue.waiting_events >= events or self._queue.waiting_bytes >= bytes_


__all__ = ["BufferFull", "Outbox"]
