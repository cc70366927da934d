"""Decisions as facts: read from the log by kind, and appended to it; what is decided is decided elsewhere."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.decisions import of_kinds
from feedback_ingest.log import Appended, Fact, LogRow

ALERT_RAISED = "alert_raised"
DATASET_COMPILED = "dataset_compiled"
FEEDBACK_QUARANTINED = "feedback_quarantined"
DRIFT_DETECTED = "drift_detected"
DRIFT_RESOLVED = "drift_resolved"
MODEL_PROMOTED = "model_promoted"
MODEL_REFUSED = "model_refused"
MODEL_TRAINED = "model_trained"
MODEL_ROLLBACK_REFUSED = "model_rollback_refused"
MODEL_ROLLED_BACK = "model_rolled_back"
REFERENCE_READ = "reference_read"
RETRAINING_SUPPRESSED = "retraining_suppressed"
RETRAINING_TRIGGERED = "retraining_triggered"

TABULAR = "tabular"


def read(session: Session, kinds: Sequence[str], upto_offset: int | None = None) -> list[LogRow]:
    """The facts of some kinds, of all projects, in order."""
    return of_kinds(session, kinds, upto_offset)


def of_model(facts: Sequence[LogRow], project_id: int, model_name: str) -> list[LogRow]:
    """Those about one model, in order."""
    return [fact for fact in facts if fact.project_id == project_id and fact.body.get("model_name") == model_name]


def of_the_loop(facts: Sequence[LogRow]) -> list[LogRow]:
    """Without datasets that somebody asked for, or of another format than champions are trained on."""
    return [fact for fact in facts if fact.kind != DATASET_COMPILED or _is_of_the_loop(fact.body)]


def _is_of_the_loop(body: Mapping[str, Any]) -> bool:
    return "actor" not in body and body.get("format", TABULAR) == TABULAR


def append(
    session: Session, pepper: Pepper, project_id: int, kind: str, name: str, body: Mapping[str, Any], now: datetime
) -> Appended:
    """Appends one fact under `name`, which makes a second attempt a duplicate; the caller commits, soon."""
    [appended] = log.append(session, [Fact(project_id, kind, name, dict(body), now)], now, pepper)
    return appended
