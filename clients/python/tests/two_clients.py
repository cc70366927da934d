"""The asyncio client behind the threaded one's face, so that one test shows a promise for both."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from feedback_client import AsyncFeedbackClient


class AwaitedFromThreads:
    """Runs a loop in a thread; every awaitable that a method answers is awaited there and its result returned."""

    def __init__(self, url: str, key: str, **settings: Any) -> None:
        self._is_over = False
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._client = AsyncFeedbackClient(url, key, **settings)
        self.now = _Awaiting(self._await, self._client.now)
        self._await(self._client.__aenter__())

    def __getattr__(self, name: str) -> Any:
        return getattr(_Awaiting(self._await, self._client), name)

    def stats(self) -> Any:
        """The counts."""
        return self._client.stats()

    def close(self, timeout: float | None = None) -> bool:
        """Closes the client and ends its loop."""
        sent = bool(self._await(self._client.aclose(timeout)))
        if not self._is_over:
            self._is_over = True
            self._loop.call_soon_threadsafe(self._loop.stop)
        return sent

    def __enter__(self) -> "AwaitedFromThreads":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _await(self, work: Awaitable[Any]) -> Any:
        async def awaited() -> Any:
            return await work

        if self._is_over:
            return asyncio.run(awaited())
        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(60)


class _Awaiting:
    """Calls methods of `target` and waits for what they answer."""

    def __init__(self, wait: Callable[[Awaitable[Any]], Any], target: object) -> None:
        self._wait = wait
        self._target = target

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._target, name)
        return lambda *given, **named: self._wait(method(*given, **named))
