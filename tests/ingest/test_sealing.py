"""Sealing: old partitions become files, everything reads on, and a crash at any step loses nothing and doubles none."""

import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.errors import SetupError
from feedback_ingest.inspection import first_day, look_at_log
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.project_log import Part, first_offset, page
from feedback_ingest.sealed import files, sealing, segments, verifying
from feedback_ingest.sealed.sealing import NotEqual, Partition, alone, sealable
from tests.support.partitions import seal_all, small_partitions
from tests.support.waiting import wait_for

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ROWS = 100
"""Offsets in a partition here."""


class PowerCut(BaseException):
    """Stands for the moment the process dies: nothing handles it."""


@pytest.fixture
def filled(database: Database, pepper: Pepper) -> Iterator[Database]:
    """A log of 450 events in partitions of a hundred, 25 a time, of two kinds and two projects."""
    small_partitions(database, ROWS)
    with database.engine.begin() as connection:
        connection.execute(text("INSERT INTO projects (name) VALUES ('other') ON CONFLICT DO NOTHING"))
    with Session(database.engine) as session:
        for first in range(0, 450, 25):
            facts = [fact(n) for n in range(first, first + 25)]
            log.append(session, facts, NOW + timedelta(minutes=first), pepper)
        session.commit()
    yield database


def fact(n: int) -> Fact:
    """One of many."""
    kind = "inference" if n % 10 == 0 else "feedback"
    body = {"inference_request_id": f"r-{n % 7}", "model_version": "m", "text": "ü" * (n % 50)}
    return Fact(1 + n % 2, kind, f"e-{n}", body, NOW)


def whole(database: Database) -> list[log.LogRow]:
    """Everything a reader sees, in pieces."""
    rows: list[log.LogRow] = []
    while True:
        with Session(database.engine) as session:
            more = log.read(session, rows[-1].log_offset if rows else 0, 70)
        if not more:
            return rows
        rows += more


def test_what_is_sealed_is_read_as_before(filled: Database, tmp_path: Path) -> None:
    """By offset, kind, project, name, and time of receipt, across the border of files and table."""
    before = whole(filled)
    part = Part(1, ["feedback"])
    with Session(filled.engine) as session:
        pages = [page(session, part, after, 450, 30, 2**30) for after in range(0, 450, 15)]
        starts = [first_offset(session, 1, f"ts:2026-05-01T{hour}:30:00Z", NOW) for hour in (10, 13, 15, 18)]
        kinds = log.read(session, 95, 30, ["inference"])
        day = first_day(session)

    assert seal_all(filled, tmp_path) == [100, 200, 300, 400]

    with Session(filled.engine) as session:
        assert session.execute(text("SELECT min(log_offset) FROM staging.feedback_events")).scalar_one() == 401
        assert [page(session, part, after, 450, 30, 2**30) for after in range(0, 450, 15)] == pages
        assert [first_offset(session, 1, f"ts:2026-05-01T{hour}:30:00Z", NOW) for hour in (10, 13, 15, 18)] == starts
        assert log.read(session, 95, 30, ["inference"]) == kinds
        assert first_day(session) == day
        assert log.at(session, [450, 7, 250]) == {450: before[449], 7: before[6], 250: before[249]}
    with Session(filled.engine) as session:
        state = look_at_log(session)
    assert whole(filled) == before
    assert state.is_whole and (state.rows, state.segments, state.sealed_through) == (450, 4, 400)


def test_a_duplicate_of_a_sealed_event_is_one(filled: Database, tmp_path: Path, pepper: Pepper) -> None:
    """Its key stays, with its offset and the time of its receipt."""
    seal_all(filled, tmp_path)
    with Session(filled.engine) as session:
        [known] = log.append(session, [fact(30)], NOW + timedelta(days=3), pepper)
        received = session.execute(text("SELECT received_at FROM staging.known_events WHERE log_offset = 31"))
        assert (known.log_offset, known.status) == (31, "duplicate")
        assert received.scalar_one() == NOW + timedelta(minutes=25)


def test_only_what_is_old_and_full_is_sealed(filled: Database, tmp_path: Path) -> None:
    """A partition with one event that is too young stays, and those after it; the newest always does."""
    with Session(filled.engine) as session:
        assert [one.last_offset for one in sealable(session, NOW + timedelta(minutes=250))] == [100, 200]
        assert sealable(session, NOW) == []
    assert seal_all(filled, tmp_path, NOW + timedelta(minutes=250)) == [100, 200]
    assert seal_all(filled, tmp_path) == [300, 400]


def die(*_: Any, **__: Any) -> None:
    """The process ends here."""
    raise PowerCut


STEPS: dict[str, tuple[Any, str]] = {
    "while the file is written": (files, "_groups"),
    "before its digest is taken": (sealing, "sha256_of"),
    "before the file is compared": (sealing, "read_back"),
    "before the file has its name": (sealing.os, "replace"),
    "before the manifest is written": (sealing, "_write_manifest"),
    "before the rows are handed over": (sealing, "hand_over"),
    "before the partition is dropped": (sealing, "_drop"),
    "before the commit": (Session, "commit"),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_loses_nothing_and_doubles_nothing(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The log reads the same after it, and sealing again does what was left."""
    before = whole(filled)
    place, name = STEPS[step]

    with monkeypatch.context() as patched:
        patched.setattr(place, name, die)
        with pytest.raises(PowerCut):
            seal_all(filled, tmp_path)
    after = whole(filled)
    seal_all(filled, tmp_path)

    assert after == before == whole(filled)
    with Session(filled.engine) as session:
        assert look_at_log(session).is_whole and verifying.faults(session) == []


def test_a_hand_over_in_two_transactions_would_be_found(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: the partition goes first, the manifest in a transaction of its own; a crash between loses."""
    before = whole(filled)

    def careless(session: Session, partition: Partition, segment: Any) -> None:
        sealing._drop(session, partition.name)
        session.commit()
        die()

    monkeypatch.setattr(sealing, "hand_over", careless)
    with pytest.raises(PowerCut):
        seal_all(filled, tmp_path)

    assert whole(filled) != before


def test_a_file_that_is_not_equal_is_not_trusted(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that loses a row: the partition stays."""
    before = whole(filled)
    honest = files._groups
    monkeypatch.setattr(
        files, "_groups", lambda rows: ([row for row in group if row[0] != 42] for group in honest(rows))
    )

    with pytest.raises(NotEqual):
        seal_all(filled, tmp_path)

    assert whole(filled) == before


def test_a_changed_file_is_noticed(filled: Database, tmp_path: Path) -> None:
    """Whoever reads it is told that it cannot be read, and `verify` says which; a missing one likewise."""
    seal_all(filled, tmp_path)
    first, second = sorted(tmp_path.glob("*.parquet"))[:2]
    raw = bytearray(first.read_bytes())
    raw[len(raw) // 2] ^= 1
    first.write_bytes(raw)
    shutil.move(second, tmp_path / "elsewhere")
    segments._is_intact.cache_clear()
    files._starts_held.cache_clear()
    files._rows_held.cache_clear()

    with Session(filled.engine) as session:
        for after in (0, 100):
            with pytest.raises(segments.SegmentUnreadable):
                log.read(session, after, 10)
        told = verifying.faults(session)
        rest = log.read(session, 200, 300)

    assert [row.log_offset for row in rest] == list(range(201, 451))
    assert "offsets 1..100" in told[0] and "not what was written" in told[0]
    assert "offsets 101..200" in told[1] and "missing" in told[1]


def test_one_seals_at_a_time(filled: Database) -> None:
    """A second one is told so."""
    with alone(filled.engine), pytest.raises(SetupError, match="another process is sealing"), alone(filled.engine):
        pass
    with alone(filled.engine):
        pass


def skipping(read: Callable[[], list[int]], database: Database, folder: Path) -> bool:
    """Whether a reader that goes round while the log is sealed ever sees less than the whole."""
    stop, found = threading.Event(), list[list[int]]()

    def go_round() -> None:
        while not stop.is_set():
            found.append(read())

    thread = threading.Thread(target=go_round)
    thread.start()
    wait_for(lambda: bool(found))
    seal_all(database, folder)
    seen = len(found)
    wait_for(lambda: len(found) > seen)
    stop.set()
    thread.join()
    return any(offsets != list(range(1, 451)) for offsets in found)


def test_a_reader_does_not_skip_what_is_sealed_meanwhile(filled: Database, tmp_path: Path) -> None:
    """Between its look at the table and its look at the files a partition may go from the one to the other."""
    assert not skipping(lambda: [row.log_offset for row in whole(filled)], filled, tmp_path)


def test_a_reader_that_asks_for_files_first_would_skip(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: what is sealed is asked first, apart from the table; what leaves between is in neither."""

    def careless(after: int) -> list[int]:
        with Session(filled.engine) as session:
            sealed = segments.rows(session, after, 450)
            session.commit()
            if not sealed and after == 0:
                seal_all(filled, tmp_path)
            wanted = text("SELECT log_offset FROM staging.feedback_events WHERE log_offset > :after ORDER BY 1")
            last = sealed[-1].log_offset if sealed else after
            return [row.log_offset for row in sealed] + list(session.execute(wanted, {"after": last}).scalars())

    assert careless(0) != list(range(1, 451))
