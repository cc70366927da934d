"""A load generator in one event loop: HTTP/1.1 requests over many connections, every answer timed and checked."""

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

Prepare = Callable[[], bytes]


@dataclass
class Load:
    """What a stretch of load saw: seconds from sending (or from being due) to the answer, and how many were not 201."""

    wall_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def per_s(self) -> float:
        """Requests answered with 201 a second."""
        return len(self.latencies_s) / self.wall_s

    def percentile_ms(self, percent: int) -> float:
        """A percentile of the latency in milliseconds."""
        return statistics.quantiles(self.latencies_s, n=100)[percent - 1] * 1000


class Lane(asyncio.Protocol):
    """One keep-alive connection; `on_answer(lane, status)` is called when an answer is complete."""

    def __init__(self, on_answer: Callable[["Lane", int], None]) -> None:
        self.on_answer = on_answer
        self.since = 0.0
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def send(self, request: bytes, since: float) -> None:
        """Sends a request whose latency counts from `since`."""
        self.since = since
        self.transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        name = head.lower().index(b"content-length:") + 15
        length = int(head[name:].split(b"\r\n", 1)[0])
        if len(body) >= length:
            self._buffer = body[length:]
            self.on_answer(self, int(head[9:12]))


async def closed_loop(port: int, prepare: Prepare, connections: int, seconds: float) -> Load:
    """Every connection sends its next request when the last is answered."""
    load, loop = Load(), asyncio.get_running_loop()
    ends_at = time.perf_counter() + seconds
    open_lanes, finished = connections, loop.create_future()

    def on_answer(lane: Lane, status: int) -> None:
        nonlocal open_lanes
        now = time.perf_counter()
        _count(load, now - lane.since, status)
        if now < ends_at:
            lane.send(prepare(), now)
            return
        open_lanes -= 1
        if not open_lanes:
            finished.set_result(None)

    lanes = [await _connect(port, on_answer) for _ in range(connections)]
    began = time.perf_counter()
    ends_at = began + seconds
    for lane in lanes:
        lane.send(prepare(), time.perf_counter())
    await finished
    load.wall_s = time.perf_counter() - began
    _hang_up(lanes)
    return load


async def open_loop(port: int, prepare: Prepare, connections: int, per_s: int, seconds: float) -> Load:
    """Requests are due at a fixed rate whether or not the server keeps up; latency counts from when one was due."""
    load, idle = Load(), deque[Lane]()
    due: deque[float] = deque()

    def on_answer(lane: Lane, status: int) -> None:
        _count(load, time.perf_counter() - lane.since, status)
        idle.append(lane)

    lanes = [await _connect(port, on_answer) for _ in range(connections)]
    idle.extend(lanes)
    began, planned, total = time.perf_counter(), 0, int(per_s * seconds)
    while len(load.latencies_s) + load.refused < total:
        now = time.perf_counter()
        while planned < total and began + planned / per_s <= now:
            due.append(began + planned / per_s)
            planned += 1
        while due and idle:
            idle.popleft().send(prepare(), due.popleft())
        await asyncio.sleep(0.0005)
    load.wall_s = time.perf_counter() - began
    _hang_up(lanes)
    return load


def _count(load: Load, latency_s: float, status: int) -> None:
    if status == 201:
        load.latencies_s.append(latency_s)
    else:
        load.refused += 1


async def _connect(port: int, on_answer: Callable[[Lane, int], None]) -> Lane:
    loop = asyncio.get_running_loop()
    _, lane = await loop.create_connection(lambda: Lane(on_answer), "127.0.0.1", port)
    return lane


def _hang_up(lanes: list[Lane]) -> None:
    for lane in lanes:
        lane.transport.close()
