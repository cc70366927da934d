"""What Prometheus reads of a stream process: what it did itself, and at each scrape what the database says of all.

What the database says is the same from every process; rules over it take the maximum.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from feedback_ingest.errors import SetupError
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.counters import REGISTRY
from feedback_loop.stream.status import ConsumerStatus, consumers

COUNTS = text("""
WITH waiting AS (
    SELECT m.created_at FROM webhook_messages m JOIN webhook_endpoints e ON e.endpoint_id = m.endpoint_id
    WHERE m.state = 'waiting' AND e.disabled_at IS NULL)
SELECT (SELECT count(*) FROM waiting),
       (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float FROM waiting),
       (SELECT count(*) FROM webhook_endpoints WHERE disabled_at IS NULL AND failures = 0),
       (SELECT count(*) FROM webhook_endpoints WHERE disabled_at IS NULL AND failures > 0),
       (SELECT count(*) FROM webhook_endpoints WHERE disabled_at IS NOT NULL),
       (SELECT count(*) FROM (
            SELECT DISTINCT ON (project_id, model_name, model_version, segment, rule) state FROM alerts
            ORDER BY project_id, model_name, model_version, segment, rule, cause_offset DESC, occurred_at DESC) newest
        WHERE state = 'raised'),
       (SELECT count(*) FROM held_feedback),
       (SELECT coalesce(sum(events), 0)::bigint FROM route_counts WHERE route_id = '')
""")
BY_CONSUMER: dict[str, tuple[str, Callable[[ConsumerStatus], float]]] = {
    "feedback_stream_position": ("The last offset a consumer has taken.", lambda one: one.log_offset),
    "feedback_stream_lag_events": ("Events a consumer has before it.", lambda one: one.lag),
    "feedback_stream_lag_seconds": ("How long its next event has waited.", lambda one: one.lag_s),
    "feedback_stream_running": ("Whether some process works as the consumer.", lambda one: one.is_running),
    "feedback_dead_letters": ("Events a consumer could not take.", lambda one: one.dead_letters),
}


class OfDatabase(Collector):
    """Looks at each scrape; a database that is away is told as such, and nothing else is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterable[Any]:
        """Nothing, so that registering asks nobody."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Where the consumers stand, what the outbox holds, which alerts stand."""
        try:
            with Session(self._database.engine) as session:
                standing, counts = consumers(session), session.execute(COUNTS).one()
        except SQLAlchemyError:
            yield _gauge("feedback_database_up", "Whether the database answers.", 0)
            return
        yield _gauge("feedback_database_up", "Whether the database answers.", 1)
        for name, (meaning, value) in BY_CONSUMER.items():
            yield _labelled(name, meaning, "consumer", {one.name: value(one) for one in standing})
        waiting, oldest_s, well, failing, disabled, alerts, held, unrouted = counts
        yield _gauge("feedback_webhook_waiting_messages", "Messages that are to be delivered.", waiting)
        yield _gauge("feedback_webhook_oldest_waiting_seconds", "Age of the oldest of them.", oldest_s)
        states = {"well": well, "failing": failing, "disabled": disabled}
        yield _labelled("feedback_webhook_endpoints", "Webhook endpoints by how they do.", "state", states)
        yield _gauge("feedback_alerts_standing", "Alerts that are raised and have not recovered.", alerts)
        yield _gauge("feedback_held_feedback", "Feedback that a route holds back.", held)
        yield _gauge("feedback_unrouted_feedback", "Feedback that no route took.", unrouted)


@contextmanager
def serving(database: Database, settings: Settings) -> Iterator[None]:
    """Answers scrapes while the block runs, at FEEDBACK_STREAM_METRICS_PORT; raises SetupError where that is taken.

    The usual port, which nobody set, is left to whoever has it: a second stream on one machine goes without.
    """
    registry = CollectorRegistry()
    for collector in (REGISTRY, OfDatabase(database)):
        registry.register(collector)
    try:
        server, thread = start_http_server(settings.stream_metrics_port, settings.stream_metrics_host, registry)
    except OSError as error:
        if "stream_metrics_port" in settings.model_fields_set:
            at = f"{settings.stream_metrics_host}:{settings.stream_metrics_port}"
            raise SetupError(f"cannot listen on {at} ({error.strerror}); choose another port") from error
        yield
        return
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, value=value)


def _labelled(name: str, meaning: str, label: str, values: dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family
