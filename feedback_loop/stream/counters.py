"""What a stream process counts of its own work, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY = CollectorRegistry()
EVENTS = Counter("feedback_stream_events", "Events taken by this process.", registry=REGISTRY)
BATCH = Histogram(
    "feedback_stream_batch_seconds",
    "How long a micro-batch took, with its commit.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
ATTEMPTS = Counter(
    "feedback_webhook_attempts",
    "Attempts to deliver a message by outcome: delivered, the class of the status, or what went wrong.",
    ["outcome"],
    registry=REGISTRY,
)
DELAY = Histogram(
    "feedback_webhook_delay_seconds",
    "From a message's commit to its delivery.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3_600, 86_400),
    registry=REGISTRY,
)
