"""Waking who waits for a champion to move: one connection of the process listens, and wakes only who must be."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from fastapi import APIRouter, FastAPI

from api.listening import ANSWER_S, Listener, listening
from feedback_loop.registry.champions import CHANNEL

MOVED = "SELECT project_id, model_name, log_offset FROM champions WHERE log_offset > $1 ORDER BY log_offset"
Model = tuple[int, str]


class ChampionMoves(Listener):
    """Knows the offset of every champion's last move, and wakes those who wait for a newer one of theirs."""

    name: ClassVar[str] = "feedback champion moves"
    channel: ClassVar[str] = CHANNEL

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self._head = 0
        self._moved: dict[Model, int] = {}
        self._waiting: defaultdict[Model, set[asyncio.Event]] = defaultdict(set)

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

    def close(self) -> None:
        """Wakes everyone for the last time."""
        self.closing.set()
        for waiting in self._waiting.values():
            for woken in waiting:
                woken.set()

    async def look(self, connection: Any) -> None:
        """Reads the moves since the last look, and wakes who waits for one of them."""
        for project_id, model_name, offset in await connection.fetch(MOVED, self._head, timeout=ANSWER_S):
            self._head = self._moved[project_id, model_name] = offset
            for woken in self._waiting.get((project_id, model_name), ()):
                woken.set()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keeps `app.state.champion_moves` while the app is up."""
    app.state.champion_moves = ChampionMoves(app.state.receiving.database.asyncpg_dsn)
    async with listening(app.state.champion_moves):
        yield


router = APIRouter(lifespan=lifespan)
