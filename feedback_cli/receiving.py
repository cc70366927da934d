"""A receiver of this process's own, for commands that send events through the core behind every door."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.receiver.composition import Receiving
    from feedback_ingest.settings import Settings

UP_WITHIN_S = 10.0


@asynccontextmanager
async def own_receiver(settings: "Settings") -> "AsyncIterator[Receiving]":
    """A receiver that can write; at the end everything submitted is committed. Raises StorageUnavailable."""
    from api.receiver.composition import receiving
    from feedback_ingest.clock import monotonic_s
    from feedback_ingest.errors import StorageUnavailable

    async with receiving(settings) as opened:
        deadline_s = monotonic_s() + UP_WITHIN_S
        while not opened.door.intake.commits.is_up:
            if monotonic_s() > deadline_s:
                raise StorageUnavailable()
            await asyncio.sleep(0.01)
        yield opened
