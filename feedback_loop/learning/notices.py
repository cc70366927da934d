"""Notices: which facts are told outside, under which event type, and how little of them; the one table to extend."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson

EVENT_TYPES = (
    "actor.suspended",
    "bias.detected",
    "dataset.compiled",
    "drift.detected",
    "drift.resolved",
    "erasure.completed",
    "feedback.orphaned",
    "feedback.quarantined",
    "feedback.retracted",
    "feedback.routed",
    "fidelity.degraded",
    "metric.breached",
    "metric.recovered",
    "model.promoted",
    "model.refused",
    "model.rollback_requested",
    "model.rolled_back",
    "retraining.completed",
    "retraining.failed",
    "retraining.suppressed",
    "retraining.triggered",
    "review.task.adjudicated",
    "review.task.completed",
    "review.task.created",
)
"""What an endpoint may ask for; TOLD says which of them the log's facts cause, `orphaned` what time alone does."""

EVERY = "*"
"""Asks for all event types, also those that come with a later version."""


class Notice(NamedTuple):
    """One thing to tell a project's endpoints.

    `message_id` is made of the fact's name alone, so that telling it again is the same message; `body` is what is sent,
    as JSON text; `text` says it in one line for people.
    """

    message_id: str
    project_id: int
    event_type: str
    body: str
    text: str


class Telling(NamedTuple):
    """How a kind of fact is told: its event type, the members of the fact's body that go out, and in which case.

    The body's subject goes out under the name `subject`.
    """

    event_type: str
    members: tuple[str, ...]
    applies: Callable[[Mapping[str, Any]], bool] = lambda body: True
    subject: str = "subject"


MODEL = ("model_name", "model_version")
ALERT = (
    "alert_id", "rule", "metric", *MODEL, "segment", "value", "baseline", "threshold", "samples", "users", "reason",
)  # fmt: skip
ROLLBACK = (*MODEL, "previous_version", "dataset_version", "rule", "alert_id", "code", "reason")
DRIFT = (*MODEL, "accuracy_reference", "accuracy_recent", "samples", "inputs_moved", "reasons")
TASK = ("task_id", "queue_id", "inference_request_id", "policy_id", "priority", "reason")
JUDGED = ("task_id", "queue_id", "inference_request_id", "state", "reason")
GATE = (*MODEL, "previous_version", "dataset_version", "reason", "reasons")


def _is_about_a_metric(body: Mapping[str, Any]) -> bool:
    return "alert_id" in body


def _is_failed_training(body: Mapping[str, Any]) -> bool:
    return body.get("rule") == "dagster_run_failed" and body.get("job") == "retrain"


def _was_trained(body: Mapping[str, Any]) -> bool:
    return "dataset_version" in body


def _is_no_gold(body: Mapping[str, Any]) -> bool:
    return "gold_answer" not in body


def _was_judged_by_an_expert(body: Mapping[str, Any]) -> bool:
    return bool(body["outcome"]["method"] == "expert")


def _was_judged_by_all(body: Mapping[str, Any]) -> bool:
    return not _was_judged_by_an_expert(body)


def _is_retraction(body: Mapping[str, Any]) -> bool:
    return body.get("feedback_type") == "retraction"


TOLD: Mapping[str, tuple[Telling, ...]] = {
    "actor_suspended": (Telling("actor.suspended", ("subject", "signal", "reason")),),
    "alert_raised": (
        Telling("metric.breached", ALERT, _is_about_a_metric),
        Telling("retraining.failed", ("job", "run_id", "reason"), _is_failed_training),
    ),
    "alert_recovered": (Telling("metric.recovered", ALERT, _is_about_a_metric),),
    "bias_detected": (Telling("bias.detected", ("model_name", "reasons", "served", "answered")),),
    "dataset_compiled": (Telling("dataset.compiled", ("model_name", "dataset_version", "rows", "row_digest")),),
    "drift_detected": (Telling("drift.detected", DRIFT),),
    "drift_resolved": (Telling("drift.resolved", DRIFT),),
    "drift_signalled": (Telling("drift.detected", ALERT),),
    "feedback": (Telling("feedback.retracted", ("feedback_id", "inference_request_id"), _is_retraction),),
    "feedback_quarantined": (Telling("feedback.quarantined", ("day", "rows", "rules", "feedback_ids", "reason")),),
    "fidelity_degraded": (
        Telling("fidelity.degraded", ("model_name", "source", "metric", "segment", "score", "events", "reason")),
    ),
    "model_promoted": (
        Telling("model.promoted", GATE),
        Telling("retraining.completed", GATE, _was_trained),
    ),
    "model_refused": (
        Telling("model.refused", GATE),
        Telling("retraining.completed", GATE, _was_trained),
    ),
    "model_shadowed": (Telling("retraining.completed", GATE, _was_trained),),
    "model_rollback_requested": (Telling("model.rollback_requested", ALERT),),
    "model_rollback_refused": (Telling("model.refused", ROLLBACK),),
    "model_rolled_back": (Telling("model.rolled_back", ROLLBACK),),
    "retraining_suppressed": (Telling("retraining.suppressed", (*MODEL, "reason", "new_labels")),),
    "retraining_triggered": (Telling("retraining.triggered", (*MODEL, "reason", "new_labels")),),
    "review_task_opened": (Telling("review.task.created", TASK, _is_no_gold, "task_id"),),
    "review_task_decided": (
        Telling("review.task.completed", JUDGED, _was_judged_by_all, "task_id"),
        Telling("review.task.adjudicated", JUDGED, _was_judged_by_an_expert, "task_id"),
    ),
}
"""By kind of fact. Bodies go out thin: a receiver that wants more asks the API, with its own key."""


def notices(project_id: int, kind: str, name: str, body: Mapping[str, Any], occurred_at: datetime) -> Iterator[Notice]:
    """What a fact is told as; nothing for most kinds. `kind` and `name` are the fact's own in the log."""
    for telling in TOLD.get(kind, ()):
        if telling.applies(body):
            told = {**body, telling.subject: body["subject"]} if "subject" in body else body
            data = {member: told[member] for member in telling.members if member in told}
            yield notice(project_id, telling.event_type, f"{kind}\0{name}", data, occurred_at)


def orphaned(feedback: Mapping[str, Any], occurred_at: datetime) -> Notice:
    """What is told where the wait of a feedback (FEEDBACK_SCHEMA) for its inference was over at that moment."""
    name = f"orphaned\0{feedback['feedback_id']}"
    data = {member: feedback[member] for member in ("feedback_id", "inference_request_id", "model_version")}
    return notice(feedback["project_id"], "feedback.orphaned", name, data, occurred_at)


def notice(project_id: int, event_type: str, name: str, data: Mapping[str, Any], occurred_at: datetime) -> Notice:
    """The message about what `name` names in the project: the same for ever, whoever makes it."""
    named = hashlib.sha256(f"{project_id}\0{name}\0{event_type}".encode()).hexdigest()
    told = {"type": event_type, "timestamp": occurred_at.isoformat(), "data": data}
    return Notice(f"msg_{named[:32]}", project_id, event_type, orjson.dumps(told).decode(), _line(event_type, data))


def slack_body(text: str) -> str:
    """`text` as Slack, and what is compatible with it, takes messages: as JSON, with its three signs escaped."""
    for sign, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, escaped)
    return orjson.dumps({"text": text}).decode()


def _line(event_type: str, data: Mapping[str, Any]) -> str:
    """The model and the reason where there is one, else every member."""
    subject = " ".join(str(data[member]) for member in MODEL if member in data)
    said = data.get("reason") or "; ".join(data.get("reasons", ()))
    if not said:
        said = ", ".join(f"{member} {value}" for member, value in data.items() if member not in MODEL)
    return f"{event_type}: {subject}{': ' if subject and said else ''}{said}"
