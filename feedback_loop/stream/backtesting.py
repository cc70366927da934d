"""Backtests: the stream's own metrics and alerts run over the log's history, in tables of their own that nobody sees.

What attribution found out is told again batch by batch, in the order of the log; the tables that metrics and rules
write are shadowed by temporary ones, which end with the transaction. So nothing is decided, and no code is a copy.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import psycopg
from orjson import loads
from psycopg import Connection
from psycopg.types.json import set_json_loads
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.decisions import METRIC_REGISTERED
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.rules import Rule
from feedback_loop.stream.consumers import Batch, Event
from feedback_loop.stream.consumers.alerts import Alerts
from feedback_loop.stream.consumers.attribution import Attribution
from feedback_loop.stream.consumers.budgets import Budgets
from feedback_loop.stream.consumers.rolling_metrics import RollingMetrics
from feedback_loop.stream.process import SESSION
from feedback_loop.stream.reading import event_of
from feedback_loop.stream.ruling.alerting import RAISED, RECOVERED
from feedback_loop.stream.tables import ConsumerPosition

LOOK_EVENTS = 200
"""So many events of the log are one batch: a rule is looked at as often as under a fair load."""
MOST_EVENTS = 500_000
SHADOWED = ("live_metrics", "live_votes", "alerts", "rules", "rule_decisions", "rule_evidence")
SHARED = ("live_segments", "live_registrations")
"""What is known of these at the end is known from the start: names are split by, and metrics counted, alike."""
OUTCOMES = ("alert_id", "state", "model_name", "model_version", "segment", "value", "samples", "baseline", "users")


class Past(NamedTuple):
    """Which part of which project's log: from an offset up to another, both included."""

    project_id: int
    first_offset: int
    last_offset: int


class Backtest(NamedTuple):
    """What a rule would have told: each time with its place in the log; `last_offset` is where the looking ended."""

    events: int
    first_offset: int
    last_offset: int
    is_complete: bool
    told: list[dict[str, Any]]

    @property
    def fired(self) -> int:
        """How often it would have raised an alert."""
        return sum(one["state"] == "raised" for one in self.told)


def backtest(database: Database, settings: Settings, past: Past, rule: Rule) -> Backtest:
    """Runs one rule over the log as far as the stream has read it, at most MOST_EVENTS events of it.

    No action is carried out: a rollback counts as the alert that would ask for it.
    """
    alone = msgspec.structs.replace(rule, actions=["alert"])
    with psycopg.connect(database.asyncpg_dsn, options=SESSION, connect_timeout=5) as connection:
        set_json_loads(loads, connection)
        _shadow(connection)
        consumers = Attribution(settings), Budgets(settings), RollingMetrics(settings), Alerts(settings, [alone])
        told: list[dict[str, Any]] = []
        seen, last = 0, past.first_offset - 1
        for events in _batches(database, past):
            seen, last = seen + len(events), events[-1].row.log_offset
            told += _step(consumers, [event for event in events if _matters(event, past)], connection)
        connection.rollback()
    return Backtest(seen, past.first_offset, last, last >= past.last_offset, told)


def read_upto(session: Session) -> int:
    """The offset up to which attribution is known; 0 before the stream's first start."""
    place = session.get(ConsumerPosition, Attribution.name)
    return place.log_offset if place is not None else 0


def _batches(database: Database, past: Past) -> Iterator[Sequence[Event]]:
    after, left = past.first_offset - 1, MOST_EVENTS
    with Session(database.engine) as session:
        while left > 0 and after < past.last_offset:
            rows = log.read(session, after, min(LOOK_EVENTS, past.last_offset - after, left))
            session.rollback()
            if not rows:
                return
            yield [event_of(row) for row in rows]
            after, left = rows[-1].log_offset, left - len(rows)


def _matters(event: Event, past: Past) -> bool:
    """Whether it is of the project, and no decision: definitions and alerts of the past play no part."""
    is_said = event.feedback is not None or event.inference is not None or event.row.kind == METRIC_REGISTERED
    return is_said and event.row.project_id == past.project_id


def _step(
    consumers: tuple[Attribution, Budgets, RollingMetrics, Alerts], events: Sequence[Event], connection: Connection[Any]
) -> list[dict[str, Any]]:
    if not events:
        return []
    attribution, budgets, metrics, alerts = consumers
    batch, cursor = Batch(events), connection.cursor()
    attribution.recall(batch, cursor)
    mine = events[0].row.project_id
    batch.changes = [change for change in batch.changes if change.after["project_id"] == mine]
    budgets.recall(batch, cursor)
    now: datetime = events[-1].row.received_at
    metrics.apply(batch, cursor, now)
    alerts.apply(batch, cursor, now)
    return [_outcome(fact.body) for fact in batch.facts if fact.kind in (RAISED, RECOVERED)]


def _outcome(body: dict[str, Any]) -> dict[str, Any]:
    told = {name: body[name] for name in OUTCOMES if name in body}
    return {**told, "reason": body["reason"], "occurred_at": body["occurred_at"], "offset": body["cause_offset"]}


def _shadow(connection: Connection[Any]) -> None:
    """Temporary tables come before those of their names, for this connection alone."""
    for table in (*SHADOWED, *SHARED):
        connection.execute(f"CREATE TEMPORARY TABLE {table} (LIKE public.{table} INCLUDING ALL) ON COMMIT DROP")
    for table in SHARED:
        connection.execute(f"INSERT INTO pg_temp.{table} SELECT * FROM public.{table}")
