"""Reading an event stream of the app in this process, as it comes: httpx's own transport waits for an answer's end."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.api.conftest import Client


class OpenStream:
    """One open answer; `next` takes its events one by one, `leave` is the client going away."""

    def __init__(self, client: Client, path: str, key: str, **headers: str) -> None:
        self._client = client
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._gone = asyncio.Event()
        self._rest = b""
        self.status = 0
        self.headers: dict[str, str] = {}
        given = {"authorization": f"Bearer {key}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        path, _, query = path.partition("?")
        self._scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("127.0.0.1", 1), "server": ("app", 80),
        }  # fmt: skip

    def __enter__(self) -> "OpenStream":
        self._task = asyncio.run_coroutine_threadsafe(self._serve(), self._client._loop)
        self.body = self._rest = self._client.run(self._take()) or b""
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def next(self, wanted: Callable[[dict[str, str]], bool] = lambda event: "data" in event) -> dict[str, str] | None:
        """The next event that is `wanted`, field by field (a comment's field is empty); None at the end."""
        while True:
            while b"\n\n" not in self._rest:
                chunk = self._client.run(self._take())
                if chunk is None:
                    return None
                self._rest += chunk
            block, _, self._rest = self._rest.partition(b"\n\n")
            event = dict(line.split(": ", 1) for line in block.decode().split("\n"))
            if wanted(event):
                return event

    def leave(self) -> None:
        """Goes away; returns when the server has noticed."""
        self._client._loop.call_soon_threadsafe(self._gone.set)
        self._task.result(10)

    async def _serve(self) -> None:
        try:
            await self._client._app(self._scope, self._receive, self._send)
        finally:
            self._chunks.put_nowait(None)

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["body"]:
            self._chunks.put_nowait(message["body"])

    async def _take(self) -> bytes | None:
        chunk = await asyncio.wait_for(self._chunks.get(), 20)
        if chunk is None:
            self._chunks.put_nowait(None)
        return chunk
