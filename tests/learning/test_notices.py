"""Notices: what is told of a fact, thinly, under an id that the fact alone gives."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from feedback_loop.learning.notices import EVENT_TYPES, TOLD, notices, slack_body

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ALERT = {
    "alert_id": "accuracy_floor:1:digits:m1:raised",
    "rule": "accuracy_floor",
    "model_name": "digits",
    "model_version": "m1",
    "value": 0.61,
    "samples": 50,
    "reason": "accuracy 0.610 over 50 samples in 30 s, below 0.8",
    "cause_offset": 77,
}


def told(kind: str, body: dict[str, Any], name: str = "n1", project_id: int = 1) -> list[tuple[str, dict[str, Any]]]:
    """Event types and what goes out."""
    found = notices(project_id, kind, name, body, NOON)
    return [(one.event_type, orjson.loads(one.body)) for one in found]


def test_an_alert_is_told_thinly() -> None:
    """The type, the time of the event and the members that the table names; nothing else of the fact."""
    [(event_type, body)] = told("alert_raised", ALERT)

    assert event_type == body["type"] == "metric.breached"
    assert body["timestamp"] == "2026-05-01T12:00:00+00:00"
    assert body["data"] == {name: value for name, value in ALERT.items() if name != "cause_offset"}


@pytest.mark.parametrize(
    ("kind", "body", "types"),
    [
        ("alert_recovered", ALERT, ["metric.recovered"]),
        ("drift_signalled", ALERT, ["drift.detected"]),
        ("alert_raised", {"rule": "dagster_run_failed", "job": "retrain", "reason": "r"}, ["retraining.failed"]),
        ("alert_raised", {"rule": "dagster_run_failed", "job": "refresh", "reason": "r"}, []),
        ("model_promoted", {"model_name": "d", "dataset_version": "d-1"}, ["model.promoted", "retraining.completed"]),
        ("model_promoted", {"model_name": "d", "reason": "by hand"}, ["model.promoted"]),
        ("model_refused", {"model_name": "d", "dataset_version": "d-1"}, ["model.refused", "retraining.completed"]),
        ("feedback", {"feedback_type": "retraction", "feedback_id": "f"}, ["feedback.retracted"]),
        ("feedback", {"feedback_type": "explicit_binary", "feedback_id": "f"}, []),
        ("inference", {}, []),
    ],
)
def test_a_fact_is_told_as_what_it_is(kind: str, body: dict[str, Any], types: list[str]) -> None:
    """Each kind under its types; most facts are nobody's business."""
    assert [event_type for event_type, _ in told(kind, body)] == types


def test_what_is_told_can_be_asked_for() -> None:
    """Every type of the table is one of the contract's."""
    assert {telling.event_type for tellings in TOLD.values() for telling in tellings} <= set(EVENT_TYPES)


def test_an_id_is_the_facts_own() -> None:
    """The same fact is the same message, however often it is told; another name, project or type is another one."""
    ids = [
        [one.message_id for one in notices(project_id, kind, name, ALERT, NOON)]
        for project_id, kind, name in [
            (1, "alert_raised", "a"),
            (1, "alert_raised", "a"),
            (1, "alert_raised", "b"),
            (2, "alert_raised", "a"),
            (1, "alert_recovered", "a"),
        ]
    ]

    assert ids[0] == ids[1]
    assert len({name for found in ids for name in found}) == 4


def test_slack_reads_one_line() -> None:
    """What happened to which model, and why, with Slack's signs escaped."""
    [alert] = notices(1, "alert_raised", "a", {**ALERT, "reason": "a < b & c"}, NOON)

    assert alert.text == "metric.breached: digits m1: a < b & c"
    assert orjson.loads(slack_body(alert.text)) == {"text": "metric.breached: digits m1: a &lt; b &amp; c"}
