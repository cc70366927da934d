"""Listening to the database: one connection of the process waits for a channel, and whoever waits is woken from it."""

import asyncio
import logging
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar

import asyncpg

LOOK_S = 1.0
"""A notification may be lost, so it is looked without one, too."""
ANSWER_S = 2.0
log = logging.getLogger("feedback.api")


class Listener(ABC):
    """Knows what others wait for, and wakes them."""

    name: ClassVar[str]
    """As the database shows it."""
    channel: ClassVar[str]

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.closing = asyncio.Event()
        """Set when the server is about to stop: whoever waits is woken, and streams end."""

    @abstractmethod
    async def look(self, connection: Any) -> None:
        """Asks the database what is new, and wakes who waits for it."""

    @abstractmethod
    def close(self) -> None:
        """Wakes everyone for the last time."""

    async def run(self) -> None:
        """Listens until cancelled; a database that is away is tried again, and nobody is woken meanwhile."""
        session = {"application_name": self.name, "timezone": "UTC"}
        while True:
            try:
                connection = await asyncpg.connect(self._dsn, timeout=ANSWER_S, server_settings=session)
                try:
                    await self._follow(connection)
                finally:
                    connection.terminate()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.debug("nobody is woken: %r", error)
                await asyncio.sleep(LOOK_S)

    async def _follow(self, connection: Any) -> None:
        notified = asyncio.Event()
        await connection.add_listener(self.channel, lambda *_: notified.set())
        while True:
            await self.look(connection)
            with suppress(TimeoutError):
                await asyncio.wait_for(notified.wait(), LOOK_S)
            notified.clear()


@asynccontextmanager
async def listening(listener: Listener) -> AsyncIterator[None]:
    """Keeps it at work while the app is up."""
    running = asyncio.create_task(listener.run())
    loop = asyncio.get_running_loop()
    call_at_signals(lambda: loop.call_soon_threadsafe(listener.close))
    try:
        yield
    finally:
        listener.close()
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
