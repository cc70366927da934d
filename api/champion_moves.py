"""Waking who waits for a champion to move: one connection of the process listens, and wakes only who must be."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from fastapi import APIRouter, FastAPI

from api.wakeups import ANSWER_S, LOOK_S, call_at_signals
from feedback_loop.registry.champions import CHANNEL

MOVED = "SELECT project_id, model_name, log_offset FROM champions WHERE log_offset > $1 ORDER BY log_offset"
SESSION = {"application_name": "feedback champion moves", "timezone": "UTC"}
log = logging.getLogger("feedback.api")
Model = tuple[int, str]


class ChampionMoves:
    """Knows the offset of every champion's last move, and wakes those who wait for a newer one of theirs."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._head = 0
        self._moved: dict[Model, int] = {}
        self._waiting: defaultdict[Model, set[asyncio.Event]] = defaultdict(set)
        self.closing = asyncio.Event()
        """Set when the server is about to stop: whoever waits is woken."""

    async def beyond(self, model: Model, offset: int, within_s: float) -> None:
        """Returns once the model's champion has moved after `offset`, at the server's end, or after `within_s`."""
        woken = asyncio.Event()
        self._waiting[model].add(woken)
        try:
            async with asyncio.timeout(within_s):
                while self._moved.get(model, 0) <= offset and not self.closing.is_set():
                    await woken.wait()
                    woken.clear()
        except TimeoutError:
            pass
        finally:
            self._waiting[model].discard(woken)
            if not self._waiting[model]:
                del self._waiting[model]

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
        for waiting in self._waiting.values():
            for woken in waiting:
                woken.set()

    async def _follow(self, connection: Any) -> None:
        notified = asyncio.Event()
        await connection.add_listener(CHANNEL, lambda *_: notified.set())
        while True:
            for project_id, model_name, offset in await connection.fetch(MOVED, self._head, timeout=ANSWER_S):
                self._head = self._moved[project_id, model_name] = offset
                for woken in self._waiting.get((project_id, model_name), ()):
                    woken.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(notified.wait(), LOOK_S)
            notified.clear()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keeps `app.state.champion_moves` while the app is up."""
    moves = app.state.champion_moves = ChampionMoves(app.state.receiving.database.asyncpg_dsn)
    running = asyncio.create_task(moves.run())
    loop = asyncio.get_running_loop()
    call_at_signals(lambda: loop.call_soon_threadsafe(moves.close))
    try:
        yield
    finally:
        moves.close()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


router = APIRouter(lifespan=lifespan)
