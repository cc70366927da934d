"""Clients that send too slowly, too much or half (failure tests 26 to 31, and 39); CI runs the slow ones."""

import asyncio
import json
import socket
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import text

from feedback_ingest.postgres import Database
from tests.chaos.conftest import MakeDoor
from tests.chaos.doors import Door, key_for
from tests.chaos.ledger import Wire, event, sent
from tests.support.waiting import wait_for

LONG = pytest.mark.chaos
HEADERS_S, BODY_S = 10.0, 4.0
WAYS = ("silent", "partial line", "drip header", "drip body")


def head(key: str, length: int, path: str = "/v1/feedback", media: str = "application/json") -> bytes:
    """The head of a request whose body has `length` bytes."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: {media}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


async def drip(port: int, way: str, key: str, until_s: float) -> float | None:
    """Sends in the slow `way`; seconds until the server closed, or None if it still held on at `until_s`."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    first = {
        "silent": b"",
        "partial line": b"POST /v1/feed",
        "drip header": b"POST /v1/feedback HTTP/1.1\r\nHost: x\r\nX-A: ",
        "drip body": head(key, 1_000) + b"{",
    }
    try:
        writer.write(first[way])
        while time.monotonic() - began < until_s:
            if way.startswith("drip"):
                writer.write(b" ")
            with suppress(TimeoutError):
                async with asyncio.timeout(0.25):
                    if not await reader.read(4_096):
                        return time.monotonic() - began
        return None
    except OSError:
        return time.monotonic() - began
    finally:
        writer.close()


async def slow_clients(doors: list[Door], key: str, each: int, until_s: float) -> list[dict[str, list[float | None]]]:
    """For each door and way the seconds after which `each` connections were closed."""
    asked = [(door, way) for door in doors for way in WAYS for _ in range(each)]
    told = await asyncio.gather(*(drip(door.port, way, key, until_s) for door, way in asked))
    found: list[dict[str, list[float | None]]] = [{way: [] for way in WAYS} for _ in doors]
    for (door, way), seconds in zip(asked, told, strict=True):
        found[doors.index(door)][way].append(seconds)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("each", [25, pytest.param(125, marks=LONG)])
def test_slow_clients_are_let_go(database: Database, make_door: MakeDoor, each: int) -> None:
    """Silent, half a line, headers or a body byte by byte: closed in time, and normal clients notice nothing.

    With the bug planted that is patient with everybody, the same clients are all still there.
    """
    key = key_for(database)
    doors = [make_door(body_deadline_s=BODY_S), make_door("patient", body_deadline_s=600)]
    wire, times = Wire([doors[0].url], key), []

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(lambda: asyncio.run(slow_clients(doors, key, each, HEADERS_S + 3)))
        while not slow.done():
            began = time.monotonic()
            assert wire.post("/v1/feedback", sent(event(f"normal-{len(times)}")))[0] == 201
            times.append(time.monotonic() - began)
            time.sleep(0.05)
    honest, patient = slow.result()

    late = {
        way: found
        for way, found in honest.items()
        if any(s is None or s > (BODY_S if way == "drip body" else HEADERS_S) + 2 for s in found)
    }
    assert not late
    assert sorted(times)[int(len(times) * 0.99) - 1] < 1
    assert all(seconds is None for found in patient.values() for seconds in found)


def flood(door: Door, most: int) -> tuple[bytes, int]:
    """Sends headers without end on one connection: what was answered, and by how many bytes the worker's peak grew."""
    before, line = peak(door), b"X-Flood: " + b"a" * 8_000 + b"\r\n"
    told = b""
    with socket.create_connection(("127.0.0.1", door.port), timeout=5) as connection, suppress(OSError):
        connection.sendall(b"POST /v1/feedback HTTP/1.1\r\nHost: x\r\n")
        for _ in range(most // len(line)):
            connection.sendall(line)
        connection.sendall(b"\r\n")
    with socket.create_connection(("127.0.0.1", door.port), timeout=5) as connection, suppress(OSError):
        connection.sendall(b"POST /v1/feedback HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20_000 + b"\r\n")
        told = connection.recv(4_096)
    return told, peak(door) - before


def peak(door: Door) -> int:
    """The most memory that the door's worker ever held, in bytes."""
    status = Path(f"/proc/{door.worker().pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1_024


@LONG
@pytest.mark.parametrize(("plant", "is_bounded"), [("failpoints", True), ("roomy", False)])
def test_a_flood_of_headers_fills_nothing(make_door: MakeDoor, plant: str, is_bounded: bool) -> None:
    """Sixty-four megabytes of headers, and twenty thousand of them: refused at 64 KiB; ten megabytes at most grow."""
    door = make_door(plant)

    told, grown = flood(door, 64 * 2**20)

    is_refused = told == b"" or b" 431 " in told or b" 400 " in told
    assert (is_refused and grown < 10 * 2**20) == is_bounded
    assert door.is_ready()


@LONG
@pytest.mark.parametrize(("plant", "recovers"), [("failpoints", True), ("leaky", False)])
def test_a_flood_of_connections_is_survived(
    database: Database, make_door: MakeDoor, plant: str, recovers: bool
) -> None:
    """More connections than the worker may open files: once they close, everybody is served again.

    With the bug planted that keeps a file open for each answer, nobody is.
    """
    door, key = make_door(plant), key_for(database)
    worker = door.worker()
    worker.rlimit(psutil.RLIMIT_NOFILE, (150, 150))

    flooding = []
    with suppress(OSError):
        for _ in range(400):
            flooding.append(socket.create_connection(("127.0.0.1", door.port), timeout=1))
    for connection in flooding:
        connection.close()
    statuses = Counter(Wire([door.url], key, 3).post("/v1/feedback", sent(event("before")))[0] for _ in range(1))
    for number in range(200):
        wire = Wire([door.url], key, timeout_s=2)
        statuses[wire.post("/v1/feedback", sent(event(str(number))))[0]] += 1
        wire.close()
        if statuses[0] > 3:
            break

    assert len(flooding) > 150
    assert (statuses[0] <= 3 and statuses[201] > 190) == recovers


@LONG
@pytest.mark.parametrize(("plant", "is_bounded"), [("failpoints", True), ("unlimited", False)])
def test_a_bomb_does_not_go_off(database: Database, make_door: MakeDoor, plant: str, is_bounded: bool) -> None:
    """A quarter of a gigabyte in 256 KB, twenty at once: 413 for each, little memory, and others are served."""
    door, key, packed = make_door(plant), key_for(database), zlib.compressobj(9, wbits=31)
    zeros = b"0" * 2**20
    bomb = b"".join(packed.compress(zeros) for _ in range(256 if is_bounded else 64)) + packed.flush()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert Wire([door.url], key).post("/v1/feedback", sent(event("first")))[0] == 201
    before = peak(door)

    with ThreadPoolExecutor(20) as pool:
        told = [
            pool.submit(
                httpx.post, f"{door.url}/v1/feedback", content=bomb, headers=headers, timeout=30, trust_env=False
            )
            for _ in range(20 if is_bounded else 4)
        ]
        normal = httpx.get(f"{door.url}/healthz", timeout=10, trust_env=False).elapsed.total_seconds()

    grown = peak(door) - before
    assert ({one.result().status_code for one in told} == {413} and grown < 20 * 10 * 2**20) == is_bounded
    assert normal < 2


BOMBS = {
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "nulls": b'{"a":[' + b"null," * 50_000 + b"null]}",
    "escapes": b'{"a":"' + b"\\u0041" * 43_000 + b'"}',
    "digits": b'{"a":' + b"9" * 5_000 + b"}",
    "keys": json.dumps({f"key-{n}": n for n in range(10_000)}).encode(),
    "colons": b'{"a":"' + b"::,," * 60_000 + b'"}',
}


def cost(door: Door, key: str, body: bytes) -> float:
    """Seconds of processor that the door's worker needs to refuse a body."""
    worker, wire = door.worker(), Wire([door.url], key)
    before = worker.cpu_times()
    for _ in range(5):
        assert 400 <= wire.post("/v1/feedback", body)[0] < 500
    after = worker.cpu_times()
    return (after.user + after.system - before.user - before.system) / 5


@LONG
@pytest.mark.parametrize(("plant", "is_cheap"), [("failpoints", True), ("quadratic", False)])
def test_no_body_costs_much(database: Database, make_door: MakeDoor, plant: str, is_cheap: bool) -> None:
    """Deep, many, escaped, long, in a body of up to 256 KiB: less than 0.1 s of processor each."""
    door, key = make_door(plant), key_for(database)

    costs = {name: cost(door, key, body) for name, body in BOMBS.items()}

    assert (max(costs.values()) < 0.1) == is_cheap, costs


@LONG
@pytest.mark.parametrize(("cap", "is_bounded"), [(16_000_000, True), (10**12, False)])
def test_unfinished_bodies_are_bounded_together(
    database: Database, make_door: MakeDoor, cap: int, is_bounded: bool
) -> None:
    """Many clients each hold back the end of a megabyte: beyond the cap 503, and health is told all the time.

    Without the cap, the bug planted by a setting, every one of them is waited for.
    """
    door, key = make_door(buffered_bytes=cap, body_deadline_s=6), key_for(database)
    assert Wire([door.url], key).post("/v1/feedback", sent(event("first")))[0] == 201
    before, statuses = peak(door), Counter[str]()

    async def hold() -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        try:
            writer.write(head(key, 1_000_001) + b" " * 1_000_000)
            return (await reader.read(64)).decode()[9:12]
        except OSError:
            return "cut"
        finally:
            writer.close()

    async def all_hold() -> list[str]:
        return await asyncio.gather(*(hold() for _ in range(120)))

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(lambda: asyncio.run(all_hold()))
        slowest = 0.0
        while not holding.done():
            slowest = max(slowest, httpx.get(f"{door.url}/healthz", trust_env=False).elapsed.total_seconds())
            time.sleep(0.05)
    statuses.update(holding.result())

    assert slowest < 1
    assert (peak(door) - before < 80 * 2**20 and statuses["408"] + statuses["cut"] < 120) == is_bounded
    assert (statuses["503"] > 0) == is_bounded
    assert Wire([door.url], key).post("/v1/feedback", sent(event("after")))[0] == 201


def stored(database: Database) -> int:
    """Feedback events in the log."""
    with database.engine.connect() as connection:
        wanted = text("SELECT count(*) FROM staging.feedback_events WHERE kind = 'feedback'")
        return int(connection.execute(wanted).scalar_one())


@LONG
@pytest.mark.parametrize(("plant", "takes_half"), [("failpoints", False), ("eager", True)])
def test_half_a_request_is_none(database: Database, make_door: MakeDoor, plant: str, takes_half: bool) -> None:
    """Each prefix of a batch of lines, then the connection ends: nothing is stored. Byte by byte, whole: all is.

    With the bug planted that takes what came for all there is, the first lines of a cut batch are stored.
    """
    door, key = make_door(plant), key_for(database)
    body = b"".join(sent(event(str(n))) + b"\n" for n in range(3))
    whole = head(key, len(body), "/v1/feedback/batch", "application/x-ndjson") + body

    for cut in range(1, len(whole), 1 if not takes_half else 7):
        with socket.create_connection(("127.0.0.1", door.port), timeout=5) as connection, suppress(OSError):
            connection.sendall(whole[:cut])
            connection.shutdown(socket.SHUT_WR)
            told = connection.recv(64)
            assert told == b"" or told[9:12] in (b"400", b"408") or takes_half
    wait_for(door.is_ready, 10)
    halves = stored(database)

    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(len(whole)):
            connection.sendall(whole[place : place + 1])
        told = connection.recv(64)

    assert (halves > 0) == takes_half
    assert told[9:12] == b"201"
    assert stored(database) == 3
