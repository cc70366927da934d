"""Alerts: rules looked at when a metric they watch moved; a decision is a fact, so a replay reads it back."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple

from psycopg import Cursor
from sqlmodel import SQLModel

from feedback_ingest.log import Fact, LogRow
from feedback_ingest.settings import Settings
from feedback_loop.learning.metrics import bucket_start
from feedback_loop.learning.rules import Decision, Point, Rule, decide
from feedback_loop.stream.consumers._base import Batch, Bucket, Consumer, Movement
from feedback_loop.stream.tables import Alert
from feedback_loop.stream.writing import json_text

RAISED, RECOVERED = "alert_raised", "alert_recovered"
CHANNEL = "feedback_alerts"
"""LISTEN here to be woken when an alert is committed; the payload is empty."""

POINTS = """
SELECT bucket_start, numerator, denominator FROM live_metrics
WHERE project_id = %s AND model_name = %s AND model_version = %s AND metric = %s AND bucket_start >= %s
"""
# They alternate, so the last raised one is among the last two.
LATEST = """
SELECT state, occurred_at FROM alerts
WHERE project_id = %s AND model_name = %s AND model_version = %s AND rule = %s
ORDER BY cause_offset DESC, occurred_at DESC LIMIT 2
"""
KEEP = "INSERT INTO alerts SELECT * FROM json_populate_recordset(NULL::alerts, %s) ON CONFLICT (alert_id) DO NOTHING"


class Model(NamedTuple):
    """One version of one model of one project."""

    project_id: int
    model_name: str
    model_version: str


class Alerts(Consumer):
    """Decides on new ground only; what it decided before a rebuild is read back from the log."""

    name: ClassVar[str] = "alerts"
    after: ClassVar[tuple[str, ...]] = ("rolling_metrics",)
    tables: ClassVar[tuple[type[SQLModel], ...]] = (Alert,)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.rules = [rule_of(settings)]

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Reads back the alerts in the batch, then looks at every rule whose metric has moved."""
        told = [event.row.body for event in batch.events if _is_alert(event.row)]
        if told:
            cursor.execute(KEEP, [json_text(told)])
        if batch.is_replay:
            return
        watched = [(rule, *one) for rule in self.rules for one in _by_model(batch.moved, rule.metric).items()]
        raised = [
            alert
            for rule, model, moved in watched
            for alert in self._look(rule, model, moved, batch.last_offset, cursor, now)
        ]
        if raised:
            cursor.execute(KEEP, [json_text(raised)])
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
            batch.facts.extend(_fact(alert) for alert in raised)

    def _look(
        self,
        rule: Rule,
        model: Model,
        moved: dict[datetime, Movement],
        cause_offset: int,
        cursor: Cursor[Any],
        now: datetime,
    ) -> Iterator[dict[str, Any]]:
        """The rule's decisions on one model, at every moment of event time that the batch has brought it to."""
        points = self._points(rule, model, moved, cursor)
        latest = cursor.execute(LATEST, (*model, rule.name)).fetchall()
        is_raised = bool(latest) and latest[0][0] == "raised"
        last_fired = next((occurred_at for state, occurred_at in latest if state == "raised"), None)
        for moment in _moments(points, moved):
            found = decide(rule, points, moment, last_fired, is_raised)
            if found.fires or found.recovers:
                is_raised, last_fired = found.fires, moment if found.fires else last_fired
                yield _alert(rule, model, found, moment, cause_offset, now)

    def _points(
        self, rule: Rule, model: Model, moved: dict[datetime, Movement], cursor: Cursor[Any]
    ) -> Sequence[Point]:
        since = bucket_start(min(moved) - timedelta(seconds=rule.window_s), self.settings.bucket_s)
        return [Point(*row) for row in cursor.execute(POINTS, (*model, rule.metric, since)).fetchall()]


def rule_of(settings: Settings) -> Rule:
    """The alert rule of the settings."""
    return Rule(
        name="accuracy_floor",
        metric="accuracy",
        floor=settings.accuracy_floor,
        window_s=settings.rule_window_s,
        min_samples=settings.rule_min_samples,
        cooldown_s=settings.rule_cooldown_s,
    )


def _is_alert(row: LogRow) -> bool:
    return row.kind in (RAISED, RECOVERED) and "alert_id" in row.body


def _by_model(moved: dict[Bucket, Movement], metric: str) -> dict[Model, dict[datetime, Movement]]:
    models: defaultdict[Model, dict[datetime, Movement]] = defaultdict(dict)
    for bucket, movement in moved.items():
        if bucket.metric == metric:
            models[Model(*bucket[:3])][bucket.bucket_start] = movement
    return dict(models)


def _moments(points: Sequence[Point], moved: dict[datetime, Movement]) -> list[datetime]:
    """When to look: once in each bucket that is new ground, and once at the newest time known, for what came late.

    A batch may span hours after a pause, or seconds: a fall and a rise within it are both seen. What came late counts
    in the present window if it belongs there; the past is not decided again.
    """
    unmoved = [
        start
        for start, numerator, denominator in points
        if start not in moved or (numerator, denominator) != (moved[start].numerator, moved[start].denominator)
    ]
    horizon = max(unmoved, default=min(moved))
    newest = max(horizon, *(movement.newest for movement in moved.values()))
    return sorted({newest, *(movement.newest for start, movement in moved.items() if start >= horizon)})


def _alert(
    rule: Rule, model: Model, found: Decision, moment: datetime, cause_offset: int, now: datetime
) -> dict[str, Any]:
    state = "raised" if found.fires else "recovered"
    return {
        "alert_id": ":".join((rule.name, *map(str, model), state, moment.isoformat())),
        **model._asdict(),
        "rule": rule.name,
        "state": state,
        "value": float(found.value or 0),
        "samples": found.samples,
        "reason": found.reason,
        "cause_offset": cause_offset,
        "occurred_at": moment,
        "raised_at": now,
    }


def _fact(alert: dict[str, Any]) -> Fact:
    body = {**alert, "occurred_at": alert["occurred_at"].isoformat(), "raised_at": alert["raised_at"].isoformat()}
    kind = RAISED if alert["state"] == "raised" else RECOVERED
    return Fact(alert["project_id"], kind, alert["alert_id"], body, alert["occurred_at"])
