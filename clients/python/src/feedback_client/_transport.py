"""The two ways to post: httpx with threads, httpx with asyncio. Nothing else in this package touches the network."""

import asyncio
import threading
import time
from collections.abc import Mapping

import httpx

from feedback_client._answers import Answer, Failure
from feedback_client._delivery import Post
from feedback_client._options import Options
from feedback_client._version import __version__

MAX_ANSWER_BYTES = 16 * 1024 * 1024


def _arguments(options: Options) -> dict[str, object]:
    return {
        "base_url": options.url,
        "headers": {
            "authorization": f"Bearer {options.key}",
            "user-agent": f"feedback-client-python/{__version__}",
            "accept": "application/json",
        },
        "verify": options.verify,
        "proxy": options.proxy,
        "trust_env": options.trust_env,
        "transport": options.transport,
        "follow_redirects": False,
    }


def _failure(error: Exception) -> Failure:
    # The kind of error only: a library's message may quote what was sent.
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return Failure("timed-out", type(error).__name__)
    return Failure("connection-failed", type(error).__name__)


class _Body:
    """Collects an answer, within its time and size; a server that dribbles is a server that does not answer."""

    def __init__(self, timeout: float) -> None:
        self._ends_at = time.monotonic() + timeout
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """Takes a chunk; raises TimeoutError, or ValueError where the answer is too large."""
        self._size += len(chunk)
        self._chunks.append(chunk)
        if self._size > MAX_ANSWER_BYTES:
            raise ValueError("the answer is too large")
        if time.monotonic() > self._ends_at:
            raise TimeoutError

    def answer(self, status: int, headers: Mapping[str, str]) -> Answer:
        """The whole answer."""
        return Answer(status, headers, b"".join(self._chunks))


class BlockingPoster:
    """Posts from whichever thread calls; connections are kept and reused."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None

    def post(self, request: Post) -> Answer | Failure:
        """One request and its answer; never raises for what happens on the way."""
        body = _Body(request.timeout)
        try:
            with self._client().stream(
                "POST", request.path, content=request.body, headers=request.headers, timeout=request.timeout
            ) as response:
                for chunk in response.iter_bytes():
                    body.add(chunk)
                return body.answer(response.status_code, response.headers)
        except (httpx.HTTPError, OSError, ValueError, RuntimeError) as error:
            return _failure(error)

    def open(self) -> None:
        """Makes the client now, in this thread.

        httpx imports the rest of itself then. Were that left to the background thread, a fork at that moment would
        leave the child with an import lock that nobody releases.
        """
        self._client()

    def close(self) -> None:
        """Closes the connections; a request under way fails."""
        with self._lock:
            http, self._http = self._http, None
        if http is not None:
            http.close()

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._http is None:
                self._http = httpx.Client(**_arguments(self._options))  # type: ignore[arg-type]
            return self._http


class AwaitedPoster:
    """Posts in the running loop; a client that meets another loop gets new connections."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._http: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def post(self, request: Post) -> Answer | Failure:
        """One request and its answer; never raises for what happens on the way."""
        body = _Body(request.timeout)
        try:
            async with (
                asyncio.timeout(request.timeout),
                self._client().stream(
                    "POST", request.path, content=request.body, headers=request.headers, timeout=request.timeout
                ) as response,
            ):
                async for chunk in response.aiter_bytes():
                    body.add(chunk)
                return body.answer(response.status_code, response.headers)
        except (httpx.HTTPError, OSError, ValueError, RuntimeError) as error:
            return _failure(error)

    async def close(self) -> None:
        """Closes the connections."""
        http, self._http = self._http, None
        if http is not None and self._loop is asyncio.get_running_loop():
            await http.aclose()

    def _client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._http is None or self._loop is not loop:
            self._http, self._loop = httpx.AsyncClient(**_arguments(self._options)), loop  # type: ignore[arg-type]
        return self._http
