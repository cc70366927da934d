"""The database stands still, is cut off, or is full: all are answered in time and nothing is lost (tests 5, 6, 8)."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest
from sqlalchemy import text

from feedback_ingest.postgres import Database
from tests.chaos.cluster import Cluster
from tests.chaos.conftest import MakeDoor
from tests.chaos.doors import Door, key_for
from tests.chaos.ledger import Clients, Ledger, Wire, event, sent

pytestmark = pytest.mark.chaos
LONGEST_S = 8.5
"""A request waits 8 s for its commit at most; the half second is the machine's."""


def slowest(ledger: Ledger) -> float:
    """The longest that any request waited for an answer."""
    return max(seconds for _, seconds, _ in ledger.seconds)


@pytest.mark.parametrize(("plant", "is_in_time"), [("failpoints", True), ("hanging", False)])
def test_a_frozen_database_keeps_nobody_waiting(
    cluster: Cluster, database: Database, make_door: MakeDoor, plant: str, is_in_time: bool
) -> None:
    """Every PostgreSQL process stands still for 12 s under load: 503 within 8 s, little memory, and on it goes."""
    door = make_door(plant)
    clients = Clients([door.url], key_for(database), threads=8).start()
    clients.more(100)

    with cluster.frozen():
        ends = time.monotonic() + 12
        while time.monotonic() < ends:
            rss = door.worker().memory_info().rss
            time.sleep(0.2)
    clients.more(50)
    clients.more(200, deadline_s=10)
    ledger = clients.end()

    assert not ledger.check(database).found
    assert rss < 200 * 2**20
    assert (slowest(ledger) < LONGEST_S) == is_in_time
    assert set(ledger.statuses) <= {201, 207, 503}


class Flaps:
    """A TCP proxy before a PostgreSQL's socket that cuts, delays or swallows, as it is told."""

    def __init__(self, database: Database) -> None:
        self.mode = "pass"
        self._target = f"{database._url.query['host']}/.s.PGSQL.5432"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._open: set[asyncio.StreamWriter] = set()
        serving = asyncio.start_server(self._meet, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        self.url = (
            f"postgresql://postgres@127.0.0.1:{self._server.sockets[0].getsockname()[1]}/{database._url.database}"
        )

    def turn(self, mode: str) -> None:
        """From now on pass, cut, delay or swallow; what is open is cut where connections are cut."""
        self.mode = mode
        if mode == "cut":
            self._loop.call_soon_threadsafe(lambda: [writer.transport.abort() for writer in self._open])

    def close(self) -> None:
        """Ends it."""
        self.turn("cut")
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.call_later, 0.2, self._loop.stop)
        self._thread.join(10)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "cut":
            writer.transport.abort()
            return
        inner = await asyncio.open_unix_connection(self._target)
        self._open |= {writer, inner[1]}
        await asyncio.gather(self._pump(reader, inner[1]), self._pump(inner[0], writer))
        self._open -= {writer, inner[1]}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if self.mode == "delay":
                    await asyncio.sleep(0.2)
                if self.mode != "swallow":
                    writer.write(data)
                    await writer.drain()
        writer.close()


@contextmanager
def flapping(database: Database) -> Iterator[Flaps]:
    """A proxy for the length of a test."""
    flaps = Flaps(database)
    try:
        yield flaps
    finally:
        flaps.close()


@pytest.mark.parametrize(("plant", "is_in_time"), [("failpoints", True), ("hanging", False)])
def test_a_flapping_connection_keeps_nobody_waiting(
    database: Database, tmp_path_factory: pytest.TempPathFactory, plant: str, is_in_time: bool
) -> None:
    """Cut, slow and half-open, 12 s each under load: an answer within 8 s, lost 0, and on it goes by itself."""
    with flapping(database) as flaps:
        door = Door(flaps.url, tmp_path_factory.mktemp("flaps"), plant).start()
        try:
            worker = door.worker().pid
            clients = Clients([door.url], key_for(database), threads=6).start()
            for mode in ("cut", "delay", "swallow"):
                clients.more(50)
                flaps.turn(mode)
                ends = time.monotonic() + 12
                while time.monotonic() < ends:
                    time.sleep(0.1)
                flaps.turn("cut")
                flaps.turn("pass")
            clients.more(100, deadline_s=15)
            ledger = clients.end()
            stayed = door.worker().pid == worker and psutil.pid_exists(worker)
        finally:
            door.close()

    assert not ledger.check(database).found
    assert (slowest(ledger) < LONGEST_S) == is_in_time
    assert stayed


FULL = """
CREATE FUNCTION staging.full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END$$;
CREATE TRIGGER full_disk BEFORE INSERT ON staging.feedback_events FOR EACH ROW EXECUTE FUNCTION staging.full_disk();
"""


@pytest.mark.parametrize(("plant", "loses"), [("failpoints", False), ("hopeful", True)])
def test_a_full_disk_is_told_as_such(database: Database, make_door: MakeDoor, plant: str, loses: bool) -> None:
    """PostgreSQL refuses with 53100 (disk full): 503 `storage-full`, never a receipt; with room again it goes on."""
    door, key = make_door(plant), key_for(database)
    clients = Clients([door.url], key).start()
    clients.more(50)

    with database.engine.begin() as connection:
        connection.execute(text(FULL))
    status, answer = Wire([door.url], key).post("/v1/feedback", sent(event("full", metadata={"number": "full"})))
    if status == 201:
        clients.ledger.acknowledged["full"] = answer["offset"]
    with database.engine.begin() as connection:
        connection.execute(text("DROP FUNCTION staging.full_disk CASCADE"))
    clients.more(50)
    findings = clients.end().check(database)

    if loses:
        assert status == 201
        assert findings.lost > 0
    else:
        assert (status, answer["code"]) == (503, "storage-full")
        assert not findings.found
