"""Whether a model is trained anew: gathers what `learning.triggers` must know, and keeps its answer in the log."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlmodel import Session, col, select

from feedback_assets import facts
from feedback_ingest.log import LogRow
from feedback_loop.learning.drift import DriftReport, Told
from feedback_loop.learning.training_policy import choose
from feedback_loop.learning.triggers import TriggerDecision, TriggerSettings, decide
from feedback_loop.stream.tables import Alert

TRAINING = (
    facts.RETRAINING_TRIGGERED,
    facts.DATASET_COMPILED,
    facts.MODEL_PROMOTED,
    facts.MODEL_REFUSED,
    facts.MODEL_ROLLED_BACK,
)
RAISED, SIGNAL = "raised", "drift_signal"


@dataclass(frozen=True, slots=True)
class Question:
    """One model's row of the drift report, and what else is known when the trigger is asked."""

    found: Mapping[str, Any]
    trainings: Sequence[LogRow]
    alerts: Sequence[str]
    is_training: bool
    now: datetime

    @property
    def is_stale(self) -> bool:
        """Was the report written before the newest decision about the model? Then it speaks of another champion."""
        return bool(self.trainings) and self.found["upto_offset"] < self.trainings[-1].log_offset


def ask(question: Question, settings: TriggerSettings) -> TriggerDecision:
    """The trigger's answer. A promotion by hand or a rollback starts the cool-down too: it is to show itself."""
    if question.is_stale:
        return TriggerDecision(False, "the drift report is older than the last training")
    since = (question.now - question.trainings[-1].received_at).total_seconds() if question.trainings else None
    report = report_of(question.found)
    asked = decide(report, question.found["new_labels"], since, question.is_training, settings, question.alerts)
    if not asked.fires or settings.incremental_learner is None:
        return asked
    training = choose(report)
    return TriggerDecision(training.job == "full", f"{training.reason} ({asked.reason})", training.job)


def report_of(found: Mapping[str, Any]) -> DriftReport:
    """The drift report of a row of `drift_report`, without the features."""
    return DriftReport(
        found["is_detected"],
        tuple(found["reasons"]),
        (),
        found["accuracy_reference"],
        found["accuracy_recent"],
        found["samples"],
        found["accuracy_suffers"],
        found["inputs_moved"],
        found.get("outgrown_rows"),
        tuple(Told(**each) for each in orjson.loads(found.get("findings") or "[]")),
        tuple(found.get("inputs_came_or_went") or ()),
    )


def gist(reason: str) -> str:
    """A reason without its numbers and its example: what is left changes only when the reason does."""
    return re.sub(r"-?\d[\d.]*", "#", re.sub(r", most .*?\(PSI [^)]*\)", "", reason))


def raised_alerts(session: Session, found: Mapping[str, Any]) -> list[str]:
    """The rules that signal drift and whose newest alert about the version in service still stands."""
    wanted = (
        select(Alert)
        .where(
            Alert.project_id == found["project_id"],
            Alert.model_name == found["model_name"],
            Alert.model_version == found["model_version"],
        )
        .order_by(col(Alert.cause_offset))
    )
    newest = {alert.rule: alert for alert in session.exec(wanted)}
    return sorted(rule for rule, alert in newest.items() if alert.state == RAISED and SIGNAL in alert.actions)
