"""The door: durable single events and batches, against a route that stores nothing, the obvious route, and bare COPY.

Server, database and load share the machine, so a ratio says more than a figure: cases alternate, the median counts.
"""

import itertools
import secrets
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop
from sqlmodel import Session

from api.grpc_door import feedback_pb2 as pb
from benchmarks import copying
from benchmarks.apps import naive
from benchmarks.load import Load, Prepare, closed_loop, open_loop
from benchmarks.servers import Server, cpu_s, free_port, postgres_family, served
from benchmarks.streams import closed_streams
from feedback_ingest import migrate
from feedback_ingest.keys import create
from feedback_ingest.postgres import Database, open_database
from feedback_ingest.settings import Settings

TARGETS = {
    "receiver": "api.receiver:app",
    "noop": "benchmarks.apps.noop:app",
    "naive": "benchmarks.apps.naive:app",
    "no_log": "benchmarks.apps.no_log:app",
}
EVENT = (
    b'{"feedback_id":"%s","inference_request_id":"req-%d","model_version":"tickets-7","feedback_type":"explicit_rating",'
    b'"feedback_value":{"score":4,"comment":"%s"},"user_context":{"user_tier":"pro","locale":"de-AT","app":"web"}}'
)
COMMENT = b"It answered the first half of my question and left the second one open. " * 5
CONNECTIONS, BATCH_CONNECTIONS, BATCH = 256, 8, 100


def run(full: bool) -> dict[str, Any]:
    """All figures; `full` measures each case for longer and more often."""
    return measure(rounds=7, seconds=6.0) if full else measure(rounds=3, seconds=1.5)


def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """Each case `rounds` times for `seconds`, on a data directory of its own."""
    with ExitStack() as stack:
        data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = open_database(Settings(data_dir=data_dir, database_url=None))
        stack.callback(database.close)
        environment, key = _prepare(database, data_dir)
        environments = dict.fromkeys(TARGETS, environment | {"FEEDBACK_GRPC": "false"})
        environments["receiver"] = environment | {"FEEDBACK_GRPC_PORT": str(grpc_port := free_port())}
        servers = {name: stack.enter_context(served(target, environments[name])) for name, target in TARGETS.items()}
        servers["two_workers"] = stack.enter_context(served(TARGETS["receiver"], environments["no_log"], workers=2))
        return uvloop.run(_measure(servers, grpc_port, data_dir, database.asyncpg_dsn, key, rounds, seconds))


def _prepare(database: Database, data_dir: Path) -> tuple[dict[str, str], str]:
    migrate.upgrade(database)
    with Session(database.engine) as session:
        key = create(session, "default", ["ingest"], datetime.now(UTC), None).key
        session.connection().exec_driver_sql(naive.TABLE + copying.TABLES)
        session.commit()
    environment = {"FEEDBACK_DATA_DIR": str(data_dir), "BENCHMARK_DSN": database.asyncpg_dsn}
    return environment, key


async def _measure(
    servers: dict[str, Server], grpc_port: int, data_dir: Path, dsn: str, key: str, rounds: int, seconds: float
) -> dict[str, Any]:
    events = _events()
    single, batch = (
        _request("/v1/feedback", key, events, 1),
        _request("/v1/feedback/batch", key, _repeating(events), BATCH),
    )
    message = _message(events)
    figures: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, server in servers.items():
            processes = [*server.family(), *postgres_family(data_dir)]
            before = cpu_s(processes)
            load = _checked(name, await closed_loop(server.port, single, CONNECTIONS, seconds))
            figures.setdefault(f"{name}_per_s", []).append(load.per_s)
            spent = (cpu_s(processes) - before) / len(load.latencies_s) * 1000
            figures.setdefault(f"{name}_cpu_s_per_1000", []).append(spent)
        copied = await copying.copied_per_s(dsn, events, seconds, BATCH)
        figures.setdefault("copy_events_per_s", []).append(copied)
        load = _checked("batch", await closed_loop(servers["receiver"].port, batch, BATCH_CONNECTIONS, seconds))
        figures.setdefault("batch_events_per_s", []).append(load.per_s * BATCH)
        streamed = _checked("grpc", await closed_streams(grpc_port, key, message, BATCH_CONNECTIONS, seconds))
        figures.setdefault("grpc_events_per_s", []).append(streamed.per_s * BATCH)
        steady = _checked("steady", await open_loop(servers["receiver"].port, single, 64, 1_000, seconds * 2))
        figures.setdefault("ack_p99_ms", []).append(steady.percentile_ms(99))
    return _summary(figures, servers["receiver"].rss_mib())


def _summary(figures: dict[str, list[float]], rss_mib: float) -> dict[str, Any]:
    def ratio(ours: str, theirs: str) -> float:
        return round(statistics.median(a / b for a, b in zip(figures[ours], figures[theirs], strict=True)), 3)

    return {
        "single_vs_fastapi_noop": ratio("receiver_per_s", "noop_per_s"),
        "single_vs_naive": ratio("receiver_per_s", "naive_per_s"),
        "single_vs_no_log": ratio("receiver_per_s", "no_log_per_s"),
        "two_workers_vs_one": ratio("two_workers_per_s", "receiver_per_s"),
        "batch_vs_copy": ratio("batch_events_per_s", "copy_events_per_s"),
        "grpc_vs_batch": ratio("grpc_events_per_s", "batch_events_per_s"),
        "ack_p99_ms_at_1000": round(statistics.median(figures["ack_p99_ms"]), 1),
        "cpu_s_per_1000_single": round(statistics.median(figures["receiver_cpu_s_per_1000"]), 4),
        "rss_mib": round(rss_mib, 1),
        "figures": {
            name: {
                "median": round(statistics.median(values), 4),
                "spread": round(max(values) - min(values), 4),
                "rounds": len(values),
            }
            for name, values in figures.items()
        },
    }


def _events() -> Iterator[bytes]:
    """Events that no run has sent before, about 650 bytes each."""
    start = secrets.randbits(40)
    for n in itertools.count(start):
        yield EVENT % (b"01900000-0000-7000-8000-%012x" % n, n, COMMENT)


def _repeating(events: Iterator[bytes]) -> Iterator[bytes]:
    """The same with one event in a hundred sent before, as clients do that are not sure."""
    known = next(events)
    for place, event in enumerate(events):
        yield known if place % BATCH == 0 else event
        known = event


def _request(path: str, key: str, events: Iterator[bytes], count: int) -> Prepare:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()

    def prepare() -> bytes:
        body = next(events) if count == 1 else b'{"events":[%s]}' % b",".join(itertools.islice(events, count))
        return head + b"%d\r\n\r\n" % len(body) + body

    return prepare


def _message(events: Iterator[bytes]) -> Prepare:
    return lambda: pb.StreamFeedbackRequest(events=itertools.islice(events, BATCH)).SerializeToString()


def _checked(name: str, load: Load) -> Load:
    if load.refused:
        raise RuntimeError(f"{name}: {load.refused} requests were not answered with 201")
    return load
