"""The queue with its thread: callers put events in, one thread takes batches out and delivers them."""

import logging
import threading
import time
from contextlib import suppress

from feedback_client._delivery import Wait
from feedback_client._desk import Desk, sync
from feedback_client._driving import Told, called, drive
from feedback_client._memory import BufferFull
from feedback_client._options import Options
from feedback_client._transport import BlockingPoster
from feedback_client._wire import Item
from feedback_client.errors import ClientClosed, QueueFull, SpoolFailed

log = logging.getLogger("feedback_client")

MENDING_S = 5.0
LOOK_S = 1.0
GRACE_S = 1.0


class Background:
    """The background of one client in one process. The thread starts with the first event."""

    def __init__(self, options: Options, poster: BlockingPoster) -> None:
        """Opens the spool where there is one, and starts when something waits in it; raises ConfigurationError."""
        self.desk = Desk(options)
        self._options = options
        self._poster = poster
        self._lock = threading.RLock()
        # One lock, two reasons to wait: the thread for work, callers for room or for the end of a flush.
        self._arrived = threading.Condition(self._lock)
        self._progress = threading.Condition(self._lock)
        self._closing = threading.Event()
        self._hurry = threading.Event()
        self._abandon = threading.Event()
        self._ending = threading.Lock()
        self._is_over = False
        self._thread: threading.Thread | None = None
        if not self.desk.outbox.is_empty:
            self._start()

    def queue(self, item: Item) -> None:
        """Adds an event, as `when_full` says where there is no room; raises QueueFull, ClientClosed or SpoolFailed."""
        ends_at = time.monotonic() + self._options.block_timeout
        with self._lock:
            while (reason := self._try_to_add(item)) is not None:
                left = ends_at - time.monotonic()
                if self._options.when_full != "block" or left <= 0 or self._is_thread:
                    break
                self._progress.wait(left)
        if reason is None:
            self._sync_appended()
        elif self._options.when_full == "drop":
            called(self.desk.reporter.turned_away(item, reason))
        else:
            raise QueueFull(reason)

    def flush(self, seconds: float) -> bool:
        """Waits until what waits now has its outcome; False when it has not within `seconds`."""
        with self._lock:
            outbox = self.desk.outbox
            goal = outbox.hurry()
            if outbox.is_empty or self._is_thread or self._closing.is_set():
                return outbox.is_empty
            self._start()
            self._arrived.notify()
            return self._progress.wait_for(lambda: outbox.settled >= goal and not outbox.backlog_bytes, seconds)

    def refuse_own_thread(self) -> None:
        """Raises RuntimeError in a callback: whoever waits for the thread cannot be the thread."""
        if self._is_thread:
            raise RuntimeError("a client cannot be closed from its own callback")

    def close(self, seconds: float) -> bool:
        """Sends what waits within `seconds`, ends the thread and closes the outbox; whether everything was sent."""
        ends_at = time.monotonic() + seconds
        with self._lock:
            self._closing.set()
            self._hurry.set()
            self._arrived.notify_all()
            self._progress.notify_all()
        with self._ending:
            if self._is_over:
                return self.desk.outbox.is_empty
            if self._end_thread(ends_at):
                self.desk.drain(self._poster.post, ends_at)
            with self._lock:
                self._is_over = True
                sent = self.desk.outbox.is_empty
                reports = self.desk.close()
        called(reports)
        return sent

    @property
    def _is_thread(self) -> bool:
        return threading.current_thread() is self._thread

    def _try_to_add(self, item: Item) -> str | None:
        if self._closing.is_set():
            raise ClientClosed("the client is closed")
        self._start()
        try:
            if self.desk.outbox.add(item):
                self._arrived.notify()
        except BufferFull as full:
            return str(full)
        return None

    def _sync_appended(self) -> None:
        if self._options.spool is None or self._options.spool_fsync != "always":
            return
        with self._lock:
            descriptor = self.desk.outbox.unsynced(appended=True)
        if descriptor is not None:
            try:
                sync(descriptor)
            except OSError as error:
                raise SpoolFailed(f"the spool cannot be synced: {error.strerror}") from error

    def _start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="feedback-client", daemon=True)
            with suppress(RuntimeError):  # the interpreter is ending: `close` sends from its own thread
                thread.start()
                self._thread = thread

    def _end_thread(self, ends_at: float) -> bool:
        """Waits for the thread, then makes it stop; whether it is gone."""
        if self._thread is None:
            return True
        self._thread.join(max(ends_at - time.monotonic(), 0.0))
        if self._thread.is_alive():
            self._abandon.set()
            self._hurry.set()
            self._poster.close()
            self._thread.join(GRACE_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            try:
                items = self._next()
                if items is None or not drive(self.desk.deliver(items), self._poster.post, self._pause, self._tell):
                    return
                with self._lock:
                    if self._is_over:
                        return
                    self.desk.settle()
                    self._progress.notify_all()
            except Exception:
                log.exception("the feedback sender failed; it tries again in %.0f seconds", MENDING_S)
                if self._closing.wait(MENDING_S):
                    return

    def _next(self) -> list[Item] | None:
        """The next batch when it is due; None when the client closes and nothing is left."""
        while True:
            self._sync_now_and_then()
            with self._lock:
                outbox = self.desk.outbox
                if self._closing.is_set():
                    return None if outbox.is_empty or self._abandon.is_set() else self.desk.take()
                due = outbox.due_in()
                if due == 0.0:
                    return self.desk.take()
                self._arrived.wait(due)

    def _pause(self, wait: Wait) -> bool:
        """Waits as told; the end of the client shortens it once, so that a last attempt is made."""
        began = time.monotonic()
        seconds = wait.seconds
        while not self._abandon.is_set() and not (self._closing.is_set() and self.desk.is_blocked):
            left = began + seconds - time.monotonic()
            if left <= 0:
                return True
            self._sync_now_and_then()
            if self._hurry.wait(min(left, LOOK_S)):
                self._hurry.clear()
                seconds = wait.least
            elif self._closing.is_set():
                self._abandon.wait(min(left, LOOK_S))
        return False

    def _tell(self, step: Told) -> None:
        called(self.desk.told(step))

    def _sync_now_and_then(self) -> None:
        with self._lock:
            descriptor = self.desk.outbox.unsynced()
        if descriptor is not None:
            try:
                sync(descriptor)
            except OSError as error:
                log.error("the spool cannot be synced: %s", error.strerror)
