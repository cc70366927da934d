"""Waking who waits for the log to grow: one connection of the process listens, however many wait."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, ClassVar

from fastapi import APIRouter, FastAPI

from api import meters
from api.listening import ANSWER_S, Listener, listening
from feedback_ingest.log import CHANNEL

HEAD = "SELECT max(next_offset) - 1 FROM staging.log_head"
PAUSE_S = 0.01
"""What is committed meanwhile shares the next look."""


class Wakeups(Listener):
    """Knows the newest offset, and tells it to everyone in this process who waits for a newer one."""

    name: ClassVar[str] = "feedback wakeups"
    channel: ClassVar[str] = CHANNEL

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self._moved = asyncio.Event()
        self.head = 0
        self._waiting = 0

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

    def close(self) -> None:
        """Wakes everyone for the last time."""
        self.closing.set()
        self._moved.set()

    async def look(self, connection: Any) -> None:
        """Reads the head of the log; where it has moved, those who wait look for themselves."""
        head = await connection.fetchval(HEAD, timeout=ANSWER_S)
        if head != self.head:
            self.head = head
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()
            await asyncio.sleep(PAUSE_S)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keeps `app.state.wakeups` while the app is up."""
    app.state.wakeups = Wakeups(app.state.receiving.database.asyncpg_dsn)
    async with listening(app.state.wakeups):
        yield


router = APIRouter(lifespan=lifespan)
