"""How many bytes of unfinished bodies this process holds at once: many slow senders together are bounded too."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from feedback_ingest.errors import Overloaded

Receive = Callable[[], Awaitable[dict[str, Any]]]
ARRIVED = "feedback.body_arrived"
"""In a scope: the whole body is here, so nobody waits for it, nor holds it longer than its request."""
DRAIN_BYTES = 16 * 1024 * 1024
DRAIN_S = 1.0


class Buffered:
    """The bytes held by every request that is still being read, at most `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0

    @contextmanager
    def counting(self, scope: dict[str, Any], receive: Receive) -> Iterator[Receive]:
        """`receive` with its bytes counted until the block ends; raises Overloaded beyond the limit."""
        own = 0

        async def counted() -> dict[str, Any]:
            nonlocal own
            message = await receive()
            if not message.get("more_body"):
                scope[ARRIVED] = True
            size = len(message.get("body", b""))
            own += size
            self.held += size
            if self.held > self._limit:
                raise Overloaded()
            return message

        try:
            yield counted
        finally:
            self.held -= own


async def drain(scope: dict[str, Any], receive: Receive) -> None:
    """Drops the rest of a refused body, for a second at most: a client that still sends would not hear its refusal."""
    left = DRAIN_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while left > 0 and ARRIVED not in scope:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    scope[ARRIVED] = True
