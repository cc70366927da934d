"""Sealing: an old partition becomes a file, is compared with it, and leaves PostgreSQL in the manifest's transaction.

Until that commits the partition counts and the file does not; afterwards it is the other way round. A crash leaves a
file that nobody reads, which the next sealing replaces.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, func, select

from feedback_ingest.clock import monotonic_s
from feedback_ingest.errors import SetupError
from feedback_ingest.sealed.files import COLUMNS, Written, read_back, sha256_of, write
from feedback_ingest.sealed.segments import through
from feedback_ingest.sealed.tables import SealedSegment
from feedback_ingest.tables import LogHead

LOCK = 0x7365616C  # "seal": one sealing at a time
PIECE = 5_000
PATIENCE_S = 60.0
PAUSE_S = 0.2
PARTITIONS = text("""
SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'staging.feedback_events'::regclass ORDER BY c.relname
""")
KEEP = """
INSERT INTO staging.sealed_events (log_offset, project_id, kind, inference_request_id, received_at)
SELECT log_offset, project_id, kind, inference_request_id, received_at FROM staging."{name}"
"""


class Partition(NamedTuple):
    """A whole partition of the log: its table, its offsets, and the latest receipt in it."""

    name: str
    first_offset: int
    last_offset: int
    last_received_at: datetime


class NotEqual(SetupError):
    """The file does not hold what the partition holds, so the partition stays; seal again, and look at the disk."""


def sealable(session: Session, received_before: datetime) -> list[Partition]:
    """The oldest partitions, in order, that are full and whose events were all received before `received_before`."""
    found = []
    last = session.exec(select(func.max(LogHead.next_offset))).one() - 1
    for name, bound in session.execute(PARTITIONS):
        end = int(bound.split("TO ('")[1].split("'")[0])
        if end - 1 > last:
            break
        row = session.execute(text(f'SELECT min(log_offset), max(received_at) FROM staging."{name}"')).one()
        if row[0] is None or row[1] >= received_before:
            break
        found.append(Partition(name, row[0], end - 1, row[1]))
    return found


@contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """Nobody else seals meanwhile; raises SetupError where somebody does."""
    with engine.connect() as connection:
        if not connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}).scalar():
            raise SetupError("another process is sealing the log; wait for it to end")
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})


def seal(
    session: Session, partition: Partition, folder: Path, now: datetime, told: Callable[[int], object] = lambda _: None
) -> SealedSegment:
    """Seals one partition into `folder`; `told` hears how many rows were written. Commits.

    Raises NotEqual, and SetupError where the log is in use for so long that the partition cannot leave it.
    """
    path = folder / f"log-{partition.first_offset:012}-{partition.last_offset:012}.parquet"
    written = write_file(path, _pieces(session, partition, told))
    segment = SealedSegment(
        first_offset=written.first_offset,
        last_offset=written.last_offset,
        rows=written.rows,
        first_received_at=written.first_received_at,
        last_received_at=written.last_received_at,
        file=path.name,
        folder=str(folder.resolve()),
        bytes=path.stat().st_size,
        sha256=sha256_of(path),
        sealed_at=now,
    )
    _write_manifest(path, segment)
    hand_over(session, partition, segment)
    session.refresh(segment)
    return segment


def write_file(path: Path, rows: Iterator[Sequence[Any]]) -> Written:
    """Writes, reads back, compares, and only then gives the file its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    written = write(partial, rows)
    if read_back(partial) != written or written.rows != written.last_offset - written.first_offset + 1:
        raise NotEqual()
    os.replace(partial, path)
    _sync(path.parent)
    return written


def hand_over(session: Session, partition: Partition, segment: SealedSegment) -> None:
    """The manifest, the narrow rows, and the partition's end, in one transaction; the log's lock is held shortly."""
    if segment.first_offset != partition.first_offset or segment.last_offset != partition.last_offset:
        raise NotEqual()
    if through(session) not in (0, segment.first_offset - 1):
        raise SetupError(f"what is sealed ends before offset {segment.first_offset - 1}; run `feedback log verify`")
    kept: Any = session.execute(text(KEEP.format(name=partition.name)))
    if kept.rowcount != segment.rows:
        raise NotEqual()
    session.add(segment)
    session.flush()
    _drop(session, partition.name)
    session.commit()


def _drop(session: Session, name: str) -> None:
    """Drops the partition's table: again and again, so that writers never wait long behind this for a long reader."""
    session.execute(text("SET LOCAL lock_timeout = '200ms'"))
    ends_s = monotonic_s() + PATIENCE_S
    while True:
        try:
            with session.begin_nested():
                session.execute(text(f'DROP TABLE staging."{name}"'))
            return
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != "55P03" or monotonic_s() > ends_s:
                raise SetupError("the log is being read without a pause; seal again later") from error
            time.sleep(PAUSE_S)


def _pieces(session: Session, partition: Partition, told: Callable[[int], object]) -> Iterator[Sequence[Any]]:
    statement = text(f'SELECT {", ".join(COLUMNS)} FROM staging."{partition.name}" ORDER BY log_offset')
    found = session.execute(statement, execution_options={"yield_per": PIECE})
    count = 0
    for piece in found.partitions():
        yield from piece
        count += len(piece)
        told(count)


def _write_manifest(path: Path, segment: SealedSegment) -> None:
    """The manifest beside the file, for whoever has the files without the database."""
    manifest = path.with_suffix(".json")
    with manifest.with_suffix(".partial-json").open("wb") as file:
        file.write(orjson.dumps(segment.model_dump(exclude={"folder"}), option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, manifest)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
