"""Groups of trainers: where each stands in the queue, how much waits for it, and how it is moved."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlmodel import Session, col, delete, select

from feedback_ingest.errors import Fault, NotFound, ValidationFailed
from feedback_loop.stream.queue.tables import TrainingClaim, TrainingGroup

NAME = re.compile(r"\A[a-z0-9][a-z0-9._-]{0,63}\Z", re.ASCII)
DEFAULT = "default"
MAX_GROUPS = 100
COUNTED = 100_000
FIGURES = text("""
SELECT (SELECT count(*) FROM (
            SELECT FROM training_examples e
            WHERE e.project_id = :project_id AND (e.ready_offset, e.log_offset) > (:ready_offset, :log_offset)
              AND (CAST(:model_name AS text) IS NULL OR e.model_name = :model_name)
            LIMIT :counted) AS w) AS waiting,
       count(c.feedback_id) AS claimed,
       count(c.feedback_id) FILTER (WHERE c.leased_until <= :now) AS expired
FROM training_claims c WHERE c.project_id = :project_id AND c.group_name = :name
""")


class GroupState(NamedTuple):
    """`waiting`: examples not handed out yet, counted up to COUNTED; `claimed`: handed out and not acknowledged.

    `expired`: of those claimed, how many may go to another.
    """

    group: TrainingGroup
    waiting: int
    claimed: int
    expired: int


def locked(session: Session, project_id: int, name: str) -> TrainingGroup | None:
    """The group, for this transaction alone: trainers of one group are given examples one after another."""
    wanted = select(TrainingGroup).where(TrainingGroup.project_id == project_id, TrainingGroup.name == name)
    return session.exec(wanted.with_for_update().execution_options(populate_existing=True)).first()


def make(session: Session, group: TrainingGroup) -> TrainingGroup:
    """The group as it is made now, or a moment ago by another, locked; raises ValidationFailed."""
    if not NAME.match(group.name):
        raise ValidationFailed(faults=(Fault("/group", "bad-format"),))
    if len(every(session, group.project_id)) >= MAX_GROUPS:
        raise ValidationFailed(faults=(Fault("/group", "too-many"),))
    session.execute(
        text(
            "INSERT INTO training_groups (project_id, name, model_name, ready_offset, log_offset, made_at, moved_at) "
            "VALUES (:project_id, :name, :model_name, :ready_offset, :log_offset, :made_at, :moved_at) "
            "ON CONFLICT DO NOTHING"
        ),
        group.model_dump(),
    )
    found = locked(session, group.project_id, group.name)
    assert found is not None
    return found


def every(session: Session, project_id: int) -> Sequence[TrainingGroup]:
    """The project's groups by name."""
    wanted = select(TrainingGroup).where(TrainingGroup.project_id == project_id)
    return session.exec(wanted.order_by(col(TrainingGroup.name))).all()


def state(session: Session, group: TrainingGroup, now: datetime) -> GroupState:
    """The group with its figures."""
    return GroupState(group, *session.execute(FIGURES, group.model_dump() | {"counted": COUNTED, "now": now}).one())


def move(session: Session, project_id: int, name: str, start: int, now: datetime) -> TrainingGroup:
    """Has everything that became ready at offset `start` or later handed out again; the caller commits.

    Claims on it end: who holds one is told at the acknowledgement that it is lost. Raises NotFound.
    """
    group = locked(session, project_id, name)
    if group is None:
        raise NotFound()
    group.ready_offset, group.log_offset, group.moved_at = start, 0, now
    session.add(group)
    session.exec(delete(TrainingClaim).where(*_claims(project_id, name), col(TrainingClaim.ready_offset) >= start))
    return group


def forget(session: Session, project_id: int, name: str) -> None:
    """Removes a group with its claims; raises NotFound."""
    group = locked(session, project_id, name)
    if group is None:
        raise NotFound()
    session.exec(delete(TrainingClaim).where(*_claims(project_id, name)))
    session.delete(group)


def _claims(project_id: int, name: str) -> tuple[Any, ...]:
    return col(TrainingClaim.project_id) == project_id, col(TrainingClaim.group_name) == name
