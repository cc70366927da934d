"""A process apart from the load: it sends events that cross a threshold, and is the receiver that is told of them.

`python -m benchmarks.breaches API_PORT KEY COUNT PER_S`: prints the port it listens on, waits for a line on its input,
and prints one JSON object {model_version: milliseconds}: from the crossing event's acknowledgement to the first byte of
the webhook that tells of it. Both ends are in one process, so both times are of one clock.
"""

import asyncio
import json
import secrets
import sys
import time
from typing import Any

import orjson

from benchmarks.load import Lane

SAMPLES = 5
"""The rule's least number of samples: the one that makes them enough crosses the threshold."""

DEADLINE_S = 30.0


class Hook(asyncio.Protocol):
    """One webhook's connection: remembers when its first byte came, and of which model version it told."""

    def __init__(self, arrived: dict[str, float], more: asyncio.Event) -> None:
        self._arrived, self._more = arrived, more

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._first_s, self._raw = 0.0, b""

    def data_received(self, data: bytes) -> None:
        self._first_s = self._first_s or time.perf_counter()
        self._raw += data
        head, separator, body = self._raw.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]) if separator else 1
        if len(body) >= length:
            self._arrived.setdefault(json.loads(body)["data"]["model_version"], self._first_s)
            self._more.set()
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            self._transport.close()


class Client:
    """One keep-alive connection, one request at a time."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self._answered: asyncio.Future[tuple[int, float]] | None = None

    async def open(self) -> None:
        """Connects."""
        loop = asyncio.get_running_loop()
        _, self._lane = await loop.create_connection(lambda: Lane(self._on_answer), "127.0.0.1", self._port)

    async def post(self, path: str, body: Any) -> float:
        """When the answer was there; raises RuntimeError where it is not 201."""
        raw = orjson.dumps(body)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._key}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
        self._answered = asyncio.get_running_loop().create_future()
        self._lane.send(head.encode() + raw, 0.0)
        status, at_s = await self._answered
        if status != 201:
            raise RuntimeError(f"{path} was answered with {status}")
        return at_s

    def _on_answer(self, lane: Lane, status: int) -> None:
        assert self._answered is not None
        self._answered.set_result((status, time.perf_counter()))


def wrong_answers(version: str, model_name: str = "digits") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Answers of a model version of its own, and the truths by which all of them are wrong."""
    names = [f"{model_name}-{version}-{n}" for n in range(SAMPLES)]
    outputs = [{"output_id": "A", "content": {"label": "3"}}]
    named = {"model_name": model_name, "model_version": version}
    inferences = [{"inference_request_id": name, **named, "outputs": outputs} for name in names]
    said = {"feedback_type": "ground_truth", "feedback_value": {"label": "4"}}
    return inferences, [{"inference_request_id": name, "model_version": version, **said} for name in names]


async def breach(client: Client, version: str, model_name: str = "digits") -> float:
    """Brings a model version to the threshold and across; when the crossing event was acknowledged."""
    inferences, truths = wrong_answers(version, model_name)
    await client.post("/v1/inferences/batch", {"events": inferences})
    await client.post("/v1/feedback/batch", {"events": truths[:-1]})
    return await client.post("/v1/feedback", truths[-1])


async def main(port: int, key: str, count: int, per_s: float) -> None:
    """Serves, waits to be told to begin, breaches, and prints what was measured."""
    loop, arrived, more = asyncio.get_running_loop(), dict[str, float](), asyncio.Event()
    server = await loop.create_server(lambda: Hook(arrived, more), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    client, prefix = Client(port, key), secrets.token_hex(4)
    await client.open()
    began, acknowledged = time.perf_counter(), {}
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / per_s - time.perf_counter()))
        version = f"{prefix}-{number}"
        acknowledged[version] = await breach(client, version)
    async with asyncio.timeout(DEADLINE_S):
        while len(arrived) < count:
            more.clear()
            await more.wait()
    print(json.dumps({version: (arrived[version] - at) * 1000 for version, at in acknowledged.items()}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
