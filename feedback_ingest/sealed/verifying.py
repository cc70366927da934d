"""Looking at what is sealed: is each file there and as it was written, and does one begin where the last one ends."""

from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.sealed.files import sha256_of
from feedback_ingest.sealed.segments import behind, find_file
from feedback_ingest.sealed.tables import SealedSegment

KEPT = text("SELECT count(*) FROM staging.sealed_events WHERE log_offset BETWEEN :first AND :last")


def faults(session: Session) -> list[str]:
    """What is wrong with the sealed part of the log, a line each; every file is read."""
    found, expected = [], None
    for segment in behind(session, 0):
        name = f"offsets {segment.first_offset}..{segment.last_offset}"
        if expected is not None and segment.first_offset != expected:
            found.append(f"{name}: the segment before it ends at {expected - 1}")
        found += [f"{name}: {fault}" for fault in _faults(session, segment)]
        expected = segment.last_offset + 1
    return found


def _faults(session: Session, segment: SealedSegment) -> list[str]:
    path = find_file(segment)
    if path is None:
        return [f"{segment.file} is missing; bring it back from a backup"]
    if sha256_of(path) != segment.sha256:
        return [f"{segment.file} is not what was written; bring it back from a backup"]
    kept = session.execute(KEPT, {"first": segment.first_offset, "last": segment.last_offset}).scalar_one()
    return [] if kept == segment.rows else [f"PostgreSQL knows {kept} of its {segment.rows} events"]
