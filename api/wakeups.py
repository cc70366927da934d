"""Waking who waits for the log to grow: one connection of the process listens, however many wait."""

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg
from fastapi import APIRouter, FastAPI

from api import meters
from feedback_ingest.log import CHANNEL

HEAD = "SELECT max(next_offset) - 1 FROM staging.log_head"
SESSION = {"application_name": "feedback wakeups", "timezone": "UTC"}
LOOK_S = 1.0
"""A notification may be lost, so the log is looked at without one, too."""
PAUSE_S = 0.01
"""What is committed meanwhile shares the next look."""
ANSWER_S = 2.0
log = logging.getLogger("feedback.api")


class Wakeups:
    """Knows the newest offset, and tells it to everyone in this process who waits for a newer one."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._moved = asyncio.Event()
        self.head = 0
        self._waiting = 0
        self.closing = asyncio.Event()
        """Set when the server is about to stop: whoever waits is woken, and streams end."""

    async def beyond(self, offset: int, within_s: float) -> int:
        """The last committed offset, once it is above `offset`; sooner at the server's end, at latest after `within_s`.

        What was committed before the call is never waited for: take `offset` from what was read, not from here.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.head <= offset and not self.closing.is_set():
                    await self._moved.wait()
        if self.closing.is_set():
            await asyncio.sleep(PAUSE_S)  # for whoever asks in a loop: others have a turn, and end it
        return self.head

    async def pause(self, for_s: float) -> None:
        """Waits so long, or less at the server's end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), for_s)

    def has_room(self, most: int) -> bool:
        """Whether one more answer may wait, of `most` in this process; none may when the server stops."""
        return self._waiting < most and not self.closing.is_set()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts an answer that stays open while it waits."""
        self._waiting += 1
        meters.STREAMS.inc()
        try:
            yield
        finally:
            self._waiting -= 1
            meters.STREAMS.dec()

    async def run(self) -> None:
        """Listens until cancelled; a database that is away is tried again, and nobody is woken meanwhile."""
        while True:
            try:
                connection = await asyncpg.connect(self._dsn, timeout=ANSWER_S, server_settings=SESSION)
                try:
                    await self._follow(connection)
                finally:
                    connection.terminate()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.debug("nobody is woken: %r", error)
                await asyncio.sleep(LOOK_S)

    def close(self) -> None:
        """Wakes everyone for the last time."""
        self.closing.set()
        self._moved.set()

    async def _follow(self, connection: Any) -> None:
        notified = asyncio.Event()
        await connection.add_listener(CHANNEL, lambda *_: notified.set())
        while True:
            head = await connection.fetchval(HEAD, timeout=ANSWER_S)
            if head != self.head:
                self.head = head
                moved, self._moved = self._moved, asyncio.Event()
                moved.set()
                await asyncio.sleep(PAUSE_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(notified.wait(), LOOK_S)
            notified.clear()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keeps `app.state.wakeups` while the app is up."""
    wakeups = app.state.wakeups = Wakeups(app.state.receiving.database.asyncpg_dsn)
    running = asyncio.create_task(wakeups.run())
    loop = asyncio.get_running_loop()
    call_at_signals(lambda: loop.call_soon_threadsafe(wakeups.close))
    try:
        yield
    finally:
        wakeups.close()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def call_at_signals(close: Callable[[], object]) -> None:
    """Calls `close` when the process is told to stop, before what the server does then.

    A server waits for open answers before it ends the lifespan, so a stream would wait for the server and the server
    for the stream. A handler of an event loop is called by the loop whatever stands here; one of Python's
    (uvicorn's) is called from here.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        earlier = signal.getsignal(number)

        def handle(signum: int, frame: Any, earlier: Any = earlier) -> None:
            close()
            if callable(earlier):
                earlier(signum, frame)

        signal.signal(number, handle)


router = APIRouter(lifespan=lifespan)
