"""What Prometheus reads of the receiver: how many events ended how, and how long a receipt took."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

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
WAITING = Gauge("feedback_waiting_events", "Events waiting for their commit.", registry=REGISTRY)
OVERFLOWED = Gauge("feedback_quarantine_overflow", "Refusals that a full quarantine did not keep.", registry=REGISTRY)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def count(kind: str, outcome: str) -> None:
    """One event ended: accepted, duplicate, or the code of its refusal."""
    _counter(kind, outcome).inc()


@cache
def _counter(kind: str, outcome: str) -> Counter:
    """The library looks its labels up anew each time; there are some fifty pairs."""
    return EVENTS.labels(kind, outcome)


def render() -> bytes:
    """The registry in Prometheus' text form."""
    return generate_latest(REGISTRY)
