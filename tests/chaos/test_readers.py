"""Readers of the log outside: many write, slowly and sometimes in vain; each reader sees every event once, in order."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import grpc
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlmodel import Session

from api.app import create_whole_app
from api.grpc_door import feedback_pb2 as pb
from api.receiver import thin
from feedback_ingest import keys, log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.project_log import Part, page
from feedback_ingest.settings import Settings
from tests.api.conftest import PEPPER, Client
from tests.api.rpc import Rpc
from tests.api.streams import OpenStream
from tests.ports import free_port
from tests.support.waiting import wait_for

LAST = "the last one"
KINDS = ("feedback",)
SEQUENCE = """
CREATE SEQUENCE staging.careless;
CREATE TABLE staging.careless_events (log_offset bigint PRIMARY KEY)
"""
CARELESS = "INSERT INTO staging.careless_events SELECT nextval('staging.careless') RETURNING log_offset"
CARELESS_PAGE = "SELECT log_offset FROM staging.careless_events WHERE log_offset > :last"


@pytest.fixture
def grpc_port() -> int:
    """Where the app serves gRPC."""
    return free_port()


@pytest.fixture
def client(database: Database, grpc_port: int, tmp_path: Path) -> Iterator[Client]:
    """The whole app in this process, with gRPC."""
    settings = Settings(data_dir=tmp_path, database_url=database.url, pepper=PEPPER, grpc_port=grpc_port)
    made = Client(thin(create_whole_app(settings)))
    made.open()
    yield made
    made.close()


@dataclass
class Committed:
    """What writers committed, by name; what they rolled back is not in it."""

    names: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


def write(engine: Engine, pepper: Pepper, committed: Committed, number: int, until_s: float) -> None:
    """One writer: small transactions, one in twenty slow to commit, one in fifty rolled back."""
    chance = random.Random(number)
    count = 0
    while monotonic_s() < until_s:
        names = [f"w{number}-{count + n}" for n in range(chance.randint(1, 4))]
        count += len(names)
        with Session(engine) as session:
            facts = [Fact(1, "feedback", name, {"n": count}, utc_now()) for name in names]
            log.append(session, facts, utc_now(), pepper)
            if chance.random() < 0.05:
                session.execute(text("SELECT pg_sleep(0.02)"))
            if chance.random() < 0.02:
                session.rollback()
                continue
            session.commit()
        with committed.lock:
            committed.names.update(names)


@contextmanager
def writers(database: Database, pepper: Pepper, count: int, for_s: float) -> Iterator[Committed]:
    """Writes while the body runs, then one last event that tells readers that they are done."""
    committed, until_s = Committed(), monotonic_s() + for_s
    engine = create_engine(database.url, pool_size=count)
    threads = [threading.Thread(target=write, args=(engine, pepper, committed, n, until_s)) for n in range(count)]
    for thread in threads:
        thread.start()

    def end() -> None:
        for thread in threads:
            thread.join()
        with Session(database.engine) as session:
            log.append(session, [Fact(1, "feedback", LAST, {}, utc_now())], utc_now(), pepper)
            session.commit()

    ending = threading.Thread(target=end)
    ending.start()
    yield committed
    ending.join()
    engine.dispose()


def by_polling(client: Client, key: str) -> Iterator[tuple[int, str]]:
    """Reads page after page, waiting at the end."""
    at = 1
    while True:
        told = client.get(f"/v1/log?from=offset:{at}&limit=200&wait_ms=1000", key).json()
        yield from ((event["offset"], event["id"]) for event in told["events"])
        at = told["next_offset"]


def by_stream(client: Client, key: str) -> Iterator[tuple[int, str]]:
    """Reads the event stream, leaving it now and then, and coming again with the last id."""
    last, chance = 0, random.Random(0)
    while True:
        with OpenStream(client, "/v1/log/stream", key, last_event_id=str(last)) as stream:
            for _ in range(chance.randint(1, 500)):
                event = json.loads((stream.next() or {})["data"])
                last = event["offset"]
                yield last, event["id"]


def by_grpc(port: int, key: str) -> Iterator[tuple[int, str]]:
    """Follows with ReadLog."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for message in Rpc(channel, key).call("ReadLog", pb.ReadLogRequest(follow=True), 120):
            yield from ((event.offset, event.id) for event in message.events)


def by_committing(client: Client, key: str) -> Iterator[tuple[int, str]]:
    """Reads by name, committing each page once it is processed."""
    client.put("/v1/consumers/careful", key, {"from": "earliest"})
    while True:
        told = client.get("/v1/log?from=consumer:careful&limit=100&wait_ms=1000", key).json()
        yield from ((event["offset"], event["id"]) for event in told["events"])
        client.put("/v1/consumers/careful", key, {"offset": told["next_offset"] - 1})


def until_the_last(events: Iterator[tuple[int, str]], seen: list[tuple[int, str]]) -> None:
    """Keeps what a reader sees, to the last event."""
    for event in events:
        seen.append(event)
        if event[1] == LAST:
            return


def wrong(seen: list[tuple[int, str]], committed: Committed) -> dict[str, int]:
    """How many a reader lost, saw twice, out of order, or before they were committed; empty where none."""
    offsets, names = [event[0] for event in seen], [event[1] for event in seen if event[1] != LAST]
    counts = {
        "lost": len(committed.names - set(names)),
        "unknown": len(set(names) - committed.names),
        "twice": len(names) - len(set(names)),
        "out of order": sum(after <= before for before, after in zip(offsets, offsets[1:], strict=False)),
    }
    return {what: count for what, count in counts.items() if count}


@pytest.mark.parametrize(
    ("count", "for_s"), [(8, 2.0), pytest.param(16, 60.0, marks=pytest.mark.chaos)], ids=["short", "long"]
)
def test_a_reader_never_skips(
    database: Database, client: Client, grpc_port: int, pepper: Pepper, count: int, for_s: float
) -> None:
    """Polling, streaming, over gRPC, by a committed name: 0 lost, 0 reordered, 0 seen that was rolled back."""
    with Session(database.engine) as session:
        key = keys.create(session, "default", ["read"], utc_now()).key
        session.commit()
    readers = [by_polling(client, key), by_stream(client, key), by_grpc(grpc_port, key), by_committing(client, key)]
    seen: list[list[tuple[int, str]]] = [[] for _ in readers]

    with writers(database, pepper, count, for_s) as committed:
        threads = [
            threading.Thread(target=until_the_last, args=pair, daemon=True) for pair in zip(readers, seen, strict=True)
        ]
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join(60)

    assert not any(thread.is_alive() for thread in threads)
    assert [wrong(one, committed) for one in seen] == [{}] * len(readers)
    assert len(committed.names) > 100 * for_s


def directly(database: Database, newest: Callable[[Session], int], stop: threading.Event) -> Iterator[tuple[int, str]]:
    """Reads as the API does, up to what `newest` says."""
    after, part = 0, Part(1, KINDS)
    while not stop.is_set():
        with Session(database.engine) as session:
            found = page(session, part, after, newest(session), 200, 2**30)
        yield from ((row.log_offset, row.id) for row in found.rows)
        after = found.next_offset - 1


def reading_ahead(session: Session, database: Database) -> int:
    """The planted bug: the newest offset that was handed out, committed or not."""
    with database.engine.connect() as dirty:
        open_writers = dirty.execute(
            text("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()")
        ).scalar_one()
    return log.head(session) + int(open_writers)


def test_a_reader_that_trusts_what_is_not_committed_loses(database: Database, pepper: Pepper) -> None:
    """The planted bug of the head: who goes on behind offsets of open transactions never sees them."""
    stop, seen = threading.Event(), list[tuple[int, str]]()
    reading = directly(database, partial(reading_ahead, database=database), stop)

    with writers(database, pepper, 8, 2.0) as committed:
        thread = threading.Thread(target=until_the_last, args=(reading, seen))
        thread.start()
    wait_for(lambda: not thread.is_alive() or stop.set() is None)
    thread.join()

    assert wrong(seen, committed).get("lost", 0) > 0


def test_offsets_of_a_sequence_lose(database: Database) -> None:
    """The planted bug of the writer: numbers are taken before the commit, so a reader passes one that comes late."""
    with database.engine.begin() as connection:
        connection.exec_driver_sql(SEQUENCE)
    committed, seen = set[int](), set[int]()
    until_s = monotonic_s() + 1.0

    def careless(number: int) -> None:
        chance = random.Random(number)
        while monotonic_s() < until_s:
            with database.engine.begin() as connection:
                place = connection.execute(text(CARELESS)).scalar_one()
                connection.execute(text("SELECT pg_sleep(:s)"), {"s": chance.random() * 0.01})
            committed.add(place)

    threads = [threading.Thread(target=careless, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    is_over = False
    while not is_over:
        is_over = not any(thread.is_alive() for thread in threads)
        with database.engine.connect() as connection:
            seen.update(connection.execute(text(CARELESS_PAGE), {"last": max(seen, default=0)}).scalars())

    assert committed - seen
