"""Alerts: rules looked at when a metric they watch moved; a decision is a fact, so a replay reads it back."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, NamedTuple

from psycopg import Cursor
from sqlmodel import SQLModel

from feedback_ingest.log import Fact
from feedback_ingest.settings import Settings
from feedback_loop.learning.metrics import bucket_start
from feedback_loop.learning.ratios import Point
from feedback_loop.learning.rules import PREVIOUS, VERSION, Decision, Rule, Standing
from feedback_loop.learning.sequential import Growth
from feedback_loop.learning.sequential import evidence as strength
from feedback_loop.learning.watching import Evidence, look, reach_s
from feedback_loop.registry.champions import version_before
from feedback_loop.stream.consumers._base import Batch, Bucket, Consumer, Movement
from feedback_loop.stream.ruling import rule_book
from feedback_loop.stream.ruling.alerting import RAISED, RECOVERED, alert, facts_of, told_before
from feedback_loop.stream.ruling.asking import ask
from feedback_loop.stream.ruling.decided import keep_decisions
from feedback_loop.stream.ruling.doubtful import items
from feedback_loop.stream.ruling.evidences import grown, keep
from feedback_loop.stream.ruling.metric_points import Series, newest, points
from feedback_loop.stream.ruling.rule_book import RULES, Standard
from feedback_loop.stream.ruling.voices import Ear
from feedback_loop.stream.tables import Alert
from feedback_loop.stream.writing import json_text

CHANNEL = "feedback_alerts"
"""LISTEN here to be woken when an alert is committed; the payload is empty."""

# They alternate, so the last raised one is among the last two.
LATEST = """
SELECT state, occurred_at, alert_id FROM alerts
WHERE project_id = %s AND model_name = %s AND model_version = %s AND segment = %s AND rule = %s
ORDER BY cause_offset DESC, occurred_at DESC LIMIT 2
"""
KEEP = "INSERT INTO alerts SELECT * FROM json_populate_recordset(NULL::alerts, %s) ON CONFLICT (alert_id) DO NOTHING"


class Looked(NamedTuple):
    """A rule that was looked at on one series: what it decided, and the alert that stood before, if any."""

    standard: Standard
    series: Series
    decisions: list[Decision]
    stood: str | None


class Alerts(Consumer):
    """Decides on new ground only; what it decided before a rebuild is read back from the log."""

    name: ClassVar[str] = "alerts"
    after: ClassVar[tuple[str, ...]] = ("rolling_metrics",)
    # Definitions stay, each being the copy of a fact, and so do reasons for not firing, which cannot be read again.
    tables: ClassVar[tuple[type[SQLModel], ...]] = (Alert,)

    def __init__(self, settings: Settings, defaults: Sequence[Rule] | None = None) -> None:
        super().__init__(settings)
        self._defaults = rule_book.defaults_of(settings) if defaults is None else defaults
        self._ear = Ear()

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Reads back the rules and alerts in the batch, then looks at every rule whose metric has moved."""
        rows = [event.row for event in batch.events if event.feedback is None and event.inference is None]
        RULES.learn(cursor, rows)
        told = [told_before(row.body) for row in rows if row.kind in (RAISED, RECOVERED) and "alert_id" in row.body]
        if told:
            cursor.execute(KEEP, [json_text(told)])
        if not batch.moved or batch.is_replay:
            return
        decided, alerts, requests = [], [], []
        for watched in self._watched(batch, cursor):
            looked = self._look(*watched, cursor, now)
            alerts += self._alerts(looked, batch, cursor, now)
            requests += self._asks(looked, batch.last_offset, cursor, now)
            decided.append(looked[:3])
        if decided:
            keep_decisions(cursor, decided, batch.last_offset, now)
        if alerts:
            cursor.execute(KEEP, [json_text(alerts)])
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
        batch.facts.extend(requests)

    def _watched(self, batch: Batch, cursor: Cursor[Any]) -> list[tuple[Standard, Series, dict[datetime, Movement]]]:
        """Each rule with each series that it covers and that the batch has moved."""
        moved: defaultdict[Series, dict[datetime, Movement]] = defaultdict(dict)
        for bucket, movement in batch.moved.items():
            moved[series_of(bucket)][bucket.bucket_start] = movement
        book = rule_book.book(RULES.newest(cursor, batch.last_offset), self._defaults)
        defaults = [Standard(rule) for rule in self._defaults]
        return [
            (standard, series, movements)
            for series, movements in moved.items()
            for standard in book.get(series.project_id, defaults)
            if standard.rule.metric == series.metric and standard.rule.covers(series.model_name, series.segment)
        ]

    def _look(
        self, standard: Standard, series: Series, moved: dict[datetime, Movement], cursor: Cursor[Any], now: datetime
    ) -> Looked:
        rule = standard.rule
        latest = cursor.execute(LATEST, (*series[:3], series.segment, rule.rule_id)).fetchall()
        last_fired = next((occurred_at for state, occurred_at, _ in latest if state == "raised"), None)
        stood = latest[0][2] if latest and latest[0][0] == "raised" else None
        since = bucket_start(min(moved) - timedelta(seconds=reach_s(rule)), self.settings.bucket_s)
        others = self._others(standard, series, cursor)
        evidence = Evidence(points(cursor, series, since), others, partial(self._ear.listen, cursor, now, series))
        growth = grown(cursor, standard, series, moved.values()) if rule.alpha and stood is None else Growth()
        standing = Standing(stood is not None, last_fired, strength(growth))
        decisions = list(look(rule, evidence, moved, standing))
        if rule.alpha:
            has_turned = any(found.fires or found.recovers for found in decisions)
            keep(cursor, standard, series, Growth(heaviest=growth.heaviest) if has_turned else growth)
        return Looked(standard, series, decisions, stood)

    @staticmethod
    def _alerts(looked: Looked, batch: Batch, cursor: Cursor[Any], now: datetime) -> list[dict[str, Any]]:
        """The alerts that are raised or over now; what follows them goes to the log with the batch."""
        standard, series, decisions, _ = looked
        alerts = []
        for found in decisions:
            if found.fires or found.recovers:
                told = alert(standard, series, found, batch.last_offset, now)
                sends = found.fires and "open_review_tasks" in standard.rule.actions
                sent = items(cursor, standard.rule, series, found, batch.last_offset) if sends else ()
                batch.facts.extend(facts_of(told, sent))
                alerts.append(told)
        return alerts

    def _asks(self, looked: Looked, cause_offset: int, cursor: Cursor[Any], now: datetime) -> list[Fact]:
        """The request for a rollback that follows the alert that stands now, where it is time for it."""
        standard, series, decisions, stood = looked
        if "rollback_request" not in standard.rule.actions:
            return []
        for found in decisions:
            if found.fires or found.recovers:
                stood = alert(standard, series, found, cause_offset, now)["alert_id"] if found.fires else None
        if stood is None:
            return []
        newest = decisions[-1]
        told = alert(standard, series, newest, cause_offset, now) | {"alert_id": stood}
        listen = partial(self._ear.listen, cursor, now, series)
        decisions[-1], request = ask(cursor, standard, series, told, newest, listen, now)
        return [request] if request else []

    def _others(self, standard: Standard, series: Series, cursor: Cursor[Any]) -> Sequence[Point]:
        """The buckets of the version that a rule compares with, as far back as its baseline reaches."""
        rule = standard.rule
        if rule.baseline is None or rule.baseline_period_s is None:
            return ()
        version: str | None = rule.baseline.removeprefix(VERSION)
        if rule.baseline == PREVIOUS:
            version = version_before(cursor, *series[:3])
        elif not rule.baseline.startswith(VERSION):
            return ()
        if version is None:
            return ()
        other = series._replace(model_version=version)
        end = newest(cursor, other)
        return points(cursor, other, end - timedelta(seconds=rule.baseline_period_s)) if end else ()


def series_of(bucket: Bucket) -> Series:
    """The series a bucket belongs to."""
    return Series(*bucket[:5])
