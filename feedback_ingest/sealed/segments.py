"""Reading what is sealed: which files there are, and rows of them by offset, with each file's digest checked once."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, func, select

from feedback_ingest.errors import StorageUnavailable
from feedback_ingest.sealed.files import SealedRow, rows_at, rows_behind, sha256_of
from feedback_ingest.sealed.tables import SealedEvent, SealedSegment
from feedback_ingest.settings import get_settings


class SegmentUnreadable(StorageUnavailable):
    """A sealed part of the log cannot be read; `feedback log verify` tells which."""


def through(session: Session) -> int:
    """The last sealed offset; 0 where nothing is sealed."""
    return session.exec(select(func.coalesce(func.max(SealedSegment.last_offset), 0))).one()


def nothing_sealed_behind(after: int) -> ColumnElement[bool]:
    """A condition for whoever reads the log's table above `after`: no row, rather than only those not sealed.

    In one statement with the rows, so that a partition cannot leave in between; where nothing is found, ask `through`.
    """
    last = select(func.coalesce(func.max(SealedSegment.last_offset), 0)).scalar_subquery()
    return last <= after


def rows(
    session: Session, after: int, limit: int, kinds: Sequence[str] | None = None, project_id: int | None = None
) -> list[SealedRow]:
    """At most `limit` sealed rows with an offset above `after`, of some kinds and one project, in order."""
    if kinds is None and project_id is None:
        found = (row for segment in behind(session, after) for row in rows_behind(path_of(segment), after))
        return list(islice(found, limit))
    wanted = select(SealedEvent.log_offset).where(col(SealedEvent.log_offset) > after)
    if kinds is not None:
        wanted = wanted.where(col(SealedEvent.kind).in_(kinds))
    if project_id is not None:
        wanted = wanted.where(SealedEvent.project_id == project_id)
    offsets = session.exec(wanted.order_by(col(SealedEvent.log_offset)).limit(limit)).all()
    return [row for _, row in sorted(at(session, offsets).items())]


def at(session: Session, offsets: Iterable[int]) -> dict[int, SealedRow]:
    """Those of `offsets` that are sealed."""
    left = sorted(set(offsets))
    found: dict[int, SealedRow] = {}
    for segment in behind(session, left[0] - 1) if left else ():
        here = [offset for offset in left if segment.first_offset <= offset <= segment.last_offset]
        if here:
            found |= {row.log_offset: row for row in rows_at(path_of(segment), here)}
    return found


def behind(session: Session, after: int) -> Iterator[SealedSegment]:
    """The segments that hold an offset above `after`, in order."""
    wanted = select(SealedSegment).where(col(SealedSegment.last_offset) > after)
    yield from session.exec(wanted.order_by(col(SealedSegment.first_offset))).all()


def path_of(segment: SealedSegment) -> Path:
    """Its file, with the digest that the manifest says; raises SegmentUnreadable."""
    path = find_file(segment)
    if path is None or not _is_intact(path, segment.sha256):
        raise SegmentUnreadable()
    return path


def find_file(segment: SealedSegment) -> Path | None:
    """Where its file is: in this process's data directory, or where it was written; None where it is in neither."""
    for folder in (get_settings().sealed_dir, Path(segment.folder)):
        if (folder / segment.file).exists():
            return folder / segment.file
    return None


@lru_cache(maxsize=256)
def _is_intact(path: Path, sha256: str) -> bool:
    return sha256_of(path) == sha256
