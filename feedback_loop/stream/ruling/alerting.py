"""Alerts as rows and as facts: what an alert says, and what is to follow it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from feedback_ingest.log import Fact
from feedback_loop.learning.rules import Decision
from feedback_loop.stream.ruling.metric_points import Series
from feedback_loop.stream.ruling.rule_book import Standard

RAISED, RECOVERED = "alert_raised", "alert_recovered"
DRIFT_SIGNALLED, REVIEW_REQUESTED = "drift_signalled", "review_tasks_requested"
FOLLOWS = {"drift_signal": DRIFT_SIGNALLED, "open_review_tasks": REVIEW_REQUESTED}
"""The fact that an action adds to an alert which is raised."""

MISSING = {"segment": "", "rule_version": 0, "actions": ["alert", "drift_signal"]}
"""What alerts did not say before rules were data."""


def alert(standard: Standard, series: Series, found: Decision, cause_offset: int, now: datetime) -> dict[str, Any]:
    """One alert: a row of the table, and more that its fact says."""
    rule, state = standard.rule, "raised" if found.fires else "recovered"
    place = [*map(str, series[:3]), *([series.segment] if series.segment else [])]
    told = {
        "alert_id": ":".join((rule.rule_id, *place, state, found.moment.isoformat())),
        "project_id": series.project_id,
        "model_name": series.model_name,
        "model_version": series.model_version,
        "metric": series.metric,
        "segment": series.segment,
        "rule": rule.rule_id,
        "rule_version": standard.version,
        "actions": list(rule.actions),
        "state": state,
        "comparison": rule.comparison,
        "threshold": rule.threshold,
        "window_s": rule.window_s,
        "value": float(found.value or 0),
        "baseline": None if found.baseline is None else float(found.baseline),
        "samples": found.samples,
        "users": found.users,
        "reason": found.reason,
        "cause_offset": cause_offset,
        "occurred_at": found.moment,
        "raised_at": now,
    }
    return {name: value for name, value in told.items() if value is not None}


def told_before(body: Mapping[str, Any]) -> dict[str, Any]:
    """The row of an alert that the log tells."""
    return {**MISSING, **body}


def facts_of(told: Mapping[str, Any], items: Sequence[Mapping[str, Any]] = ()) -> Iterator[Fact]:
    """The alert as a fact, and one for each action that follows it when it is raised; people are sent to `items`."""
    is_raised = told["state"] == "raised"
    kinds = [RAISED if is_raised else RECOVERED]
    kinds += [FOLLOWS[action] for action in told["actions"] if is_raised and action in FOLLOWS]
    for kind in kinds:
        body = as_body(told) | ({"items": items} if kind == REVIEW_REQUESTED else {})
        yield Fact(told["project_id"], kind, told["alert_id"], body, told["occurred_at"])


def as_body(told: Mapping[str, Any]) -> dict[str, Any]:
    """What is told, as JSON values."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}
