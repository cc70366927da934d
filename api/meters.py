"""What Prometheus reads of the receiver: how many events ended how, and how long a receipt took; of all its workers."""

import os
from contextlib import suppress
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from feedback_ingest.settings import shared_figures

REGISTRY = CollectorRegistry()
EVENTS = Counter("feedback_events", "Events by kind and outcome.", ["kind", "outcome"], registry=REGISTRY)
REQUESTS = Counter("feedback_requests", "Requests to the door by status.", ["status"], registry=REGISTRY)
CALLS = Counter("feedback_grpc_calls", "gRPC calls by method and status.", ["method", "code"], registry=REGISTRY)
DURABLE = Histogram(
    "feedback_receipt_seconds",
    "From the first byte at the door to the answer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
WAITING = Gauge(
    "feedback_waiting_events", "Events waiting for their commit.", registry=REGISTRY, multiprocess_mode="livesum"
)
STREAMS = Gauge(
    "feedback_open_streams",
    "Answers that wait for what comes: event streams, long polls.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
OVERFLOWED = Gauge(
    "feedback_quarantine_overflow",
    "Refusals that a full quarantine did not keep.",
    registry=REGISTRY,
    multiprocess_mode="sum",
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def count(kind: str, outcome: str, number: int = 1) -> None:
    """So many events ended alike: accepted, duplicate, or the code of their refusal."""
    _counter(kind, outcome).inc(number)


def answered(status: int, seconds: float) -> None:
    """One request to the door was answered."""
    _requests(status).inc()
    DURABLE.observe(seconds)


@cache
def _requests(status: int) -> Counter:
    return REQUESTS.labels(str(status))


@cache
def _counter(kind: str, outcome: str) -> Counter:
    """The library looks its labels up anew each time; there are some fifty pairs."""
    return EVENTS.labels(kind, outcome)


def render() -> bytes:
    """The registry in Prometheus' text form; with several workers, the sum of what all of them counted since the start.

    A worker that was killed goes on counting in the sums, save for what waited in it.
    """
    folder = shared_figures()
    if folder is None:
        return generate_latest(REGISTRY)
    _forget_dead(folder)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    return generate_latest(registry)


def _forget_dead(folder: Path) -> None:
    """Drops what the gauges say of processes that are no more; another worker may be doing the same."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):
                mark_process_dead(pid, path=str(folder))
