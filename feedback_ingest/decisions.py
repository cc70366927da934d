"""Decisions of people as facts of the log: who changed what and when; there is no second record of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import new_id
from feedback_ingest.log import Fact, LogRow
from feedback_ingest.tables import EventKey, Project

POLICY_SET = "policy_set"
METRIC_REGISTERED = "metric_registered"
DATASET_REQUESTED = "dataset_requested"
KINDS = (
    "project_created",
    "project_changed",
    "credential_created",
    "credential_rotated",
    "credential_revoked",
    METRIC_REGISTERED,
    POLICY_SET,
    "model_held",
    "model_released",
    "rule_defined",
    "rule_removed",
    "trigger_defined",
    "trigger_removed",
    "retraining_requested",
    DATASET_REQUESTED,
    "quarantine_mended",
    "quarantine_replayed",
    "quarantine_discarded",
    "events_imported",
    "route_defined",
    "route_removed",
    "hold_released",
    "review_queue_defined",
    "labeling_job_started",
    "labeling_job_collected",
    "review_policy_defined",
    "review_policy_removed",
    "review_budget_spent",
    "actor_suspended",
    "actor_restored",
    "webhook_created",
    "webhook_changed",
    "webhook_rotated",
    "webhook_deleted",
    "webhook_disabled",
    "webhook_redelivered",
)
REVIEW_QUEUE_DEFINED = "review_queue_defined"
REVIEWS = (
    "review_task_opened",
    "review_label_submitted",
    "review_task_skipped",
    "review_task_escalated",
    "review_task_decided",
)
"""What becomes of items that people judge: no list of decisions has them, and reviewers do not read them, because a
first look is blind."""
COMMAND_LINE = "command-line"
OPERATOR = frozenset({"ingest", "review"})
"""What an operator at the shell may send; there is no stored key to say so."""


@dataclass(frozen=True, slots=True)
class Decider:
    """Whoever decides: `actor` is a key's id or COMMAND_LINE; `pepper` signs what is appended."""

    actor: str
    pepper: Pepper

    def record(self, session: Session, project_id: int, kind: str, subject: str, now: datetime, **details: Any) -> int:
        """Appends the decision to the log; its offset. The caller commits soon; `details` never hold a secret."""
        body = {"actor": self.actor, "subject": subject, **details}
        fact = Fact(project_id, kind, str(new_id()), body, now)
        return log.append(session, [fact], now, self.pepper)[0].log_offset


def decided(
    session: Session, project_id: int, before: int | None, limit: int, kinds: tuple[str, ...] = KINDS
) -> list[LogRow]:
    """The newest `limit` decisions of a project with an offset below `before`, newest first."""
    wanted = select(EventKey.log_offset).where(EventKey.project_id == project_id, col(EventKey.kind).in_(kinds))
    if before is not None:
        wanted = wanted.where(EventKey.log_offset < before)
    offsets = session.exec(wanted.order_by(col(EventKey.log_offset).desc()).limit(limit)).all()
    found = log.at(session, offsets)
    return [found[offset] for offset in offsets]


def of_kinds(session: Session, kinds: Sequence[str], upto_offset: int | None = None) -> list[LogRow]:
    """The facts of some kinds, of all projects, in order; found by their keys, so the log's size does not matter."""
    keys = select(EventKey.log_offset).where(
        col(EventKey.project_id).in_(select(Project.project_id)), col(EventKey.kind).in_(kinds)
    )
    if upto_offset is not None:
        keys = keys.where(col(EventKey.log_offset) <= upto_offset)
    found = log.at(session, session.exec(keys).all())
    return [row for _, row in sorted(found.items())]
