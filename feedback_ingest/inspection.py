"""Looking at the ground from outside: is the log whole, how big is it, is the disk filling up."""

import shutil
from datetime import UTC, date
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from feedback_ingest.clock import utc_now
from feedback_ingest.tables import EventKey, FeedbackEvent, LogHead


class LogState(NamedTuple):
    """The log in figures; `keys` counts the names, one an event."""

    rows: int
    first: int
    last: int
    keys: int
    head: int

    @property
    def is_whole(self) -> bool:
        """Gapless from its first kept offset to its head; keys outlive dropped partitions, never the other way."""
        return self.rows == self.last - self.first + 1 and self.last == self.head and self.keys >= self.rows


def look_at_log(session: Session) -> LogState:
    """Counts the log; in one statement's snapshot each, so run it while nothing is being written for exact figures."""
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    rows = session.exec(
        select(func.count(), func.min(FeedbackEvent.log_offset), func.max(FeedbackEvent.log_offset))
    ).one()
    keys = session.exec(select(func.count()).select_from(EventKey)).one()
    head = session.exec(select(LogHead.next_offset)).one() - 1
    return LogState(rows[0], rows[1] or 1, rows[2] or 0, keys, head)


def first_day(session: Session) -> date:
    """The UTC day on which the oldest kept event was received; today where there is none."""
    oldest = session.exec(select(FeedbackEvent.received_at).order_by(col(FeedbackEvent.log_offset)).limit(1)).first()
    return (oldest or utc_now()).astimezone(UTC).date()


class DiskUse(NamedTuple):
    """Bytes: the database's, the data directory's without it, and what the disk has left."""

    database: int
    files: int
    free: int


def look_at_disk(session: Session, data_dir: Path) -> DiskUse:
    """How much room is used and left; a missing data directory counts as empty."""
    database = session.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    known = [path for path in data_dir.rglob("*") if "postgres" not in path.relative_to(data_dir).parts[:1]]
    files = sum(path.stat().st_size for path in known if path.is_file())
    at = data_dir if data_dir.exists() else data_dir.absolute().parent
    return DiskUse(database, files, shutil.disk_usage(at).free)


def drop_partitions(session: Session, below: int) -> list[str]:
    """Retention: drops every whole partition whose offsets are all below `below`; the caller commits.

    Keys stay, so a retry of a dropped event is still known as a duplicate. Returns the dropped tables' names.
    """
    found = session.execute(
        text(
            "SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound FROM pg_inherits i "
            "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'staging.feedback_events'::regclass "
            "ORDER BY c.relname"
        )
    ).all()
    dropped = []
    for row in found:
        end = int(row.bound.split("TO ('")[1].split("'")[0])
        if end <= below:
            session.execute(text(f'DROP TABLE staging."{row.name}"'))
            dropped.append(row.name)
    return dropped
