"""Looking at the ground from outside: is the log whole, how big is it, is the disk filling up."""

import shutil
from datetime import UTC, date
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import Session, func, select

from feedback_ingest import log
from feedback_ingest.clock import utc_now
from feedback_ingest.tables import EventKey, FeedbackEvent, LogHead

SEALED = text("""
SELECT coalesce(sum(rows), 0)::bigint AS rows, min(first_offset) AS first, coalesce(max(last_offset), 0) AS last,
       count(*) AS segments, coalesce(sum(bytes), 0)::bigint AS bytes
FROM staging.sealed_segments
""")


class LogState(NamedTuple):
    """The log in figures; `keys` counts the names, one an event."""

    rows: int
    first: int
    last: int
    keys: int
    head: int
    segments: int
    sealed_bytes: int
    sealed_through: int
    """How many of its partitions are files, how large these are, and the last offset in them."""

    @property
    def is_whole(self) -> bool:
        """Gapless from its first offset to its head, in files and in PostgreSQL, with a key for every event."""
        return self.rows == self.last - self.first + 1 and self.last == self.head and self.keys >= self.rows


def look_at_log(session: Session) -> LogState:
    """Counts the log; in one statement's snapshot each, so run it while nothing is being written for exact figures."""
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    rows = session.exec(
        select(func.count(), func.min(FeedbackEvent.log_offset), func.max(FeedbackEvent.log_offset))
    ).one()
    sealed = session.execute(SEALED).one()
    keys = session.exec(select(func.count()).select_from(EventKey)).one()
    head = session.exec(select(LogHead.next_offset)).one() - 1
    first, last = sealed.first or rows[1] or 1, rows[2] or sealed.last
    return LogState(rows[0] + sealed.rows, first, last, keys, head, sealed.segments, sealed.bytes, sealed.last)


def first_day(session: Session) -> date:
    """The UTC day on which the oldest kept event was received; today where there is none."""
    oldest = next(iter(log.read(session, 0, 1)), None)
    return (oldest.received_at if oldest else utc_now()).astimezone(UTC).date()


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
