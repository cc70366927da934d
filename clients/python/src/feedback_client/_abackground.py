"""The queue with its task: what `_background` does with a thread, in an event loop."""

import asyncio
import logging
import time
from contextlib import suppress

from feedback_client._delivery import Wait
from feedback_client._desk import Desk, sync
from feedback_client._driving import Told, awaited, drive_awaiting
from feedback_client._memory import BufferFull
from feedback_client._options import Options
from feedback_client._transport import AwaitedPoster
from feedback_client._wire import Item
from feedback_client.errors import ClientClosed, QueueFull, SpoolFailed

log = logging.getLogger("feedback_client")

MENDING_S = 5.0
LOOK_S = 1.0


class Signal:
    """Something that changed: whoever waits looks again. Belongs to the loop that waits on it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def send(self) -> None:
        """Wakes everybody who waits."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float | None) -> None:
        """Returns at the next signal, or after `seconds`."""
        event = self._event
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()


class AwaitedBackground:
    """The background of one asyncio client in one process and one loop; the task starts with the first event."""

    def __init__(self, options: Options, poster: AwaitedPoster, desk: Desk) -> None:
        """Works on `desk`, which outlives the loop; made inside the running loop."""
        self.desk = desk
        self.loop = asyncio.get_running_loop()
        self._options = options
        self._poster = poster
        self._arrived = Signal()
        self._progress = Signal()
        self._closing = Signal()
        self._is_closing = self._hurry = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the task, unless it runs."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="feedback-client")

    async def queue(self, item: Item) -> None:
        """Adds an event, as `when_full` says where there is no room; raises QueueFull, ClientClosed or SpoolFailed."""
        ends_at = time.monotonic() + self._options.block_timeout
        while (reason := self._try_to_add(item)) is not None:
            left = ends_at - time.monotonic()
            if self._options.when_full != "block" or left <= 0 or asyncio.current_task() is self._task:
                break
            await self._progress.wait(left)
        if reason is None:
            await self._sync_appended()
        elif self._options.when_full == "drop":
            await awaited(self.desk.reporter.turned_away(item, reason))
        else:
            raise QueueFull(reason)

    async def flush(self, seconds: float) -> bool:
        """Waits until what waits now has its outcome; False when it has not within `seconds`."""
        ends_at = time.monotonic() + seconds
        outbox = self.desk.outbox
        goal = outbox.hurry()
        if outbox.is_empty or asyncio.current_task() is self._task:
            return outbox.is_empty
        self.start()
        self._arrived.send()
        while outbox.settled < goal or outbox.backlog_bytes:
            left = ends_at - time.monotonic()
            if left <= 0 or self._is_closing:
                return False
            await self._progress.wait(left)
        return True

    def refuse_own_task(self) -> None:
        """Raises RuntimeError in a callback: whoever waits for the task cannot be the task."""
        if asyncio.current_task() is self._task:
            raise RuntimeError("a client cannot be closed from its own callback")

    async def close(self, seconds: float) -> bool:
        """Sends what waits within `seconds`, ends the task and closes the outbox; whether everything was sent."""
        self._is_closing = self._hurry = True
        for signal in (self._arrived, self._progress, self._closing):
            signal.send()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if self._task is not None:
                    await asyncio.wait([self._task])
                # The task is gone before its work is done where the whole loop is being cancelled.
                await self._work()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        sent = self.desk.outbox.is_empty
        await awaited(self.desk.close())
        return sent

    def _try_to_add(self, item: Item) -> str | None:
        if self._is_closing:
            raise ClientClosed("the client is closed")
        self.start()
        try:
            if self.desk.outbox.add(item):
                self._arrived.send()
        except BufferFull as full:
            return str(full)
        return None

    async def _sync_appended(self) -> None:
        descriptor = self.desk.outbox.unsynced(appended=True)
        if descriptor is not None:
            try:
                await asyncio.to_thread(sync, descriptor)
            except OSError as error:
                raise SpoolFailed(f"the spool cannot be synced: {error.strerror}") from error

    async def _run(self) -> None:
        while True:
            try:
                await self._work()
                return
            except Exception:
                log.exception("the feedback sender failed; it tries again in %.0f seconds", MENDING_S)
                await self._closing.wait(MENDING_S)

    async def _work(self) -> None:
        """Delivers what is due until the client closes and nothing is left, or it is blocked then."""
        while True:
            await self._sync_now_and_then()
            outbox = self.desk.outbox
            due = outbox.due_in()
            if self._is_closing and outbox.is_empty:
                return
            if not self._is_closing and due != 0.0:
                await self._arrived.wait(due)
                continue
            steps = self.desk.deliver(self.desk.take())
            if not await drive_awaiting(steps, self._poster.post, self._pause, self._tell):
                return
            self.desk.settle()
            self._progress.send()

    async def _pause(self, wait: Wait) -> bool:
        """Waits as told; the end of the client shortens it once, so that a last attempt is made."""
        began = time.monotonic()
        seconds = wait.seconds
        while not (self._is_closing and self.desk.is_blocked):
            if self._hurry:
                self._hurry, seconds = False, wait.least
            left = began + seconds - time.monotonic()
            if left <= 0:
                return True
            await self._sync_now_and_then()
            if self._is_closing:
                await asyncio.sleep(min(left, LOOK_S))
            else:
                await self._closing.wait(min(left, LOOK_S))
        return False

    async def _tell(self, step: Told) -> None:
        await awaited(self.desk.told(step))

    async def _sync_now_and_then(self) -> None:
        descriptor = self.desk.outbox.unsynced()
        if descriptor is not None:
            try:
                await asyncio.to_thread(sync, descriptor)
            except OSError as error:
                log.error("the spool cannot be synced: %s", error.strerror)
