"""Named consumers: how far readers outside have got in the log, kept for them so that they can be stopped and moved."""

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select, update

from feedback_ingest.doors.tables import NamedConsumer
from feedback_ingest.errors import Fault, NotFound, ValidationFailed
from feedback_ingest.log import head

NAME = re.compile(r"\A[a-z0-9][a-z0-9._-]{0,63}\Z", re.ASCII)
MAX_CONSUMERS = 1_000


def find(session: Session, project_id: int, name: str) -> NamedConsumer:
    """The consumer; raises NotFound where the project has none of that name."""
    consumer = session.get(NamedConsumer, (project_id, name), populate_existing=True) if NAME.match(name) else None
    if consumer is None:
        raise NotFound()
    return consumer


def every(session: Session, project_id: int) -> Sequence[NamedConsumer]:
    """The project's consumers by name."""
    wanted = select(NamedConsumer).where(NamedConsumer.project_id == project_id)
    return session.exec(wanted.order_by(col(NamedConsumer.name))).all()


def commit(session: Session, project_id: int, name: str, offset: int, expected: int | None, now: datetime) -> bool:
    """Says that `name` has processed everything up to `offset`, in one statement; True where it is new.

    Without `expected` a consumer only goes forward. With it, it goes anywhere, if it still stands at `expected` (0: it
    is new), so that of two who move it one is told. The caller commits. Raises ValidationFailed.
    """
    if not NAME.match(name):
        raise ValidationFailed(faults=(Fault("/name", "bad-format"),))
    if offset > head(session):
        raise ValidationFailed(faults=(Fault("/offset", "beyond-the-end"),))
    if _moved(session, project_id, name, offset, expected, now):
        return False
    known = session.get(NamedConsumer, (project_id, name), populate_existing=True)
    if known is None and not expected:
        _make(session, NamedConsumer(project_id=project_id, name=name, log_offset=offset, made_at=now, moved_at=now))
        return True
    raise ValidationFailed(faults=(_fault(known, expected),))


def forget(session: Session, project_id: int, name: str) -> None:
    """Removes the consumer; raises NotFound."""
    session.delete(find(session, project_id, name))


def _moved(session: Session, project_id: int, name: str, offset: int, expected: int | None, now: datetime) -> bool:
    stands = col(NamedConsumer.log_offset)
    statement = update(NamedConsumer).where(
        col(NamedConsumer.project_id) == project_id,
        col(NamedConsumer.name) == name,
        stands <= offset if expected is None else stands == expected,
    )
    return bool(session.exec(statement.values(log_offset=offset, moved_at=now)).rowcount)


def _make(session: Session, consumer: NamedConsumer) -> None:
    others = select(func.count()).select_from(NamedConsumer).where(NamedConsumer.project_id == consumer.project_id)
    if session.exec(others).one() >= MAX_CONSUMERS:
        raise ValidationFailed(faults=(Fault("/name", "too-many"),))
    session.add(consumer)
    try:
        session.flush()
    except IntegrityError:  # another made it a moment ago
        raise ValidationFailed(faults=(Fault("/expected", "not-current"),)) from None


def _fault(known: NamedConsumer | None, expected: int | None) -> Fault:
    return Fault("/offset", "behind") if expected is None and known is not None else Fault("/expected", "not-current")
