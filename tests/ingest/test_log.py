"""The log on a real Postgres: in order, without gaps, once each, whoever writes."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.log import Appended, Fact
from feedback_ingest.postgres import Database

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def fact(name: str, value: int = 1, kind: str = "feedback") -> Fact:
    """A fact with a little content."""
    body = {"inference_request_id": "r", "feedback_value": {"v": value}, "user_context": {"a": "b"}}
    return Fact(1, kind, name, body, NOW)


def append(database: Database, pepper: Pepper, *facts: Fact) -> list[Appended]:
    """Appends in a transaction of its own."""
    with Session(database.engine) as session:
        appended = log.append(session, facts, NOW, pepper)
        session.commit()
    return appended


def all_offsets(database: Database) -> list[int]:
    """Every offset in the log, in order."""
    with Session(database.engine) as session:
        return [row.log_offset for row in log.read(session, 0, 1_000_000)]


def test_tells_new_known_and_conflicting_apart(database: Database, pepper: Pepper) -> None:
    """The same name with the same content is one event; with other content it is a conflict and changes nothing."""
    first = append(database, pepper, fact("a"), fact("b"), fact("a"), fact("b", 2))
    again = append(database, pepper, fact("b", 2), fact("a"), fact("c"))

    base = first[0].log_offset
    assert [one.status for one in first] == ["accepted", "accepted", "duplicate", "conflict"]
    assert [one.status for one in again] == ["conflict", "duplicate", "accepted"]
    assert [one.log_offset for one in again] == [base + 1, base, base + 2]


def test_a_name_belongs_to_a_project_and_a_kind(database: Database, pepper: Pepper) -> None:
    """Another tenant's id, or an inference of the same name, is another event."""
    mine, theirs = fact("shared"), Fact(2, "feedback", "shared", {"x": 1}, NOW)

    appended = append(database, pepper, mine, theirs, fact("shared", kind="inference"))

    assert {one.status for one in appended} == {"accepted"}


def test_keeps_the_five_fields_beside_the_body(database: Database, pepper: Pepper, session: Session) -> None:
    """What psql shows is what was sent."""
    [one] = append(database, pepper, fact("shown", 7))

    shown = "inference_request_id, feedback_value, user_context"
    found = text(f"SELECT {shown} FROM staging.feedback_events WHERE log_offset = :o")
    row = session.execute(found, {"o": one.log_offset}).one()

    assert row == ("r", {"v": 7}, {"a": "b"})


def test_refuses_to_change_a_fact(database: Database, pepper: Pepper, session: Session) -> None:
    """The log is append-only for everyone, its owner included."""
    append(database, pepper, fact("fixed"))

    for change in ("UPDATE staging.feedback_events SET body = '{}'", "DELETE FROM staging.feedback_events"):
        with pytest.raises(Exception, match="append-only"):
            session.execute(text(change))
        session.rollback()


def test_a_rollback_leaves_no_gap(database: Database, pepper: Pepper) -> None:
    """A transaction that fails gives its offsets back."""
    with Session(database.engine) as session:
        log.append(session, [fact("lost-1"), fact("lost-2")], NOW, pepper)
        session.rollback()
    append(database, pepper, fact("kept"))

    offsets = all_offsets(database)
    assert offsets == list(range(1, len(offsets) + 1))


def test_makes_its_partitions_ahead(database: Database, pepper: Pepper, session: Session) -> None:
    """Crossing the end of a partition is no event: the next one is there, and rows land in it."""
    session.execute(text("UPDATE staging.log_head SET partition_rows = 10"))
    session.commit()
    before = len(all_offsets(database))

    appended = append(database, pepper, *(fact(f"many-{n}") for n in range(1_000)))

    assert len(all_offsets(database)) == before + 1_000
    assert appended[-1].log_offset == before + 1_000


@pytest.fixture
def reader(database: Database) -> Iterator[list[int]]:
    """A consumer that follows the log by offset, as the stream does, until the test ends."""
    seen: list[int] = []
    stop = threading.Event()

    def follow() -> None:
        last = 0
        while not stop.is_set():
            with Session(database.engine) as session:
                rows = log.read(session, last, 500)
            seen.extend(row.log_offset for row in rows)
            last = seen[-1] if seen else 0

    thread = threading.Thread(target=follow)
    thread.start()
    yield seen
    stop.set()
    thread.join()


def write(database: Database, pepper: Pepper, writer: int, until_s: float) -> None:
    """One of several writers: small transactions, some slow before COMMIT, some rolled back."""
    number = 0
    while monotonic_s() < until_s:
        number += 1
        with Session(database.engine) as session:
            log.append(session, [fact(f"w{writer}-{number}-{k}") for k in range(3)], utc_now(), pepper)
            if number % 20 == 0:
                session.execute(text("SELECT pg_sleep(0.02)"))
            session.rollback() if number % 50 == 0 else session.commit()


def missed(database: Database, seen: list[int], deadline_s: float) -> int:
    """How many committed rows the reader did not see, once it has had time to see all."""
    while monotonic_s() < deadline_s and (not seen or seen[-1] < all_offsets(database)[-1]):
        pass
    return len(set(all_offsets(database)) - set(seen))


def test_a_reader_by_offset_skips_nothing(database: Database, pepper: Pepper, reader: list[int]) -> None:
    """With many writers, slow commits and rollbacks, following by offset sees every row once, in order."""
    until_s = monotonic_s() + 3
    writers = [threading.Thread(target=write, args=(database, pepper, n, until_s)) for n in range(8)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()

    assert missed(database, reader, monotonic_s() + 20) == 0
    assert reader == sorted(set(reader))


def test_offsets_from_a_sequence_would_be_skipped(database: Database) -> None:
    """The planted bug: with a sequence, a row that commits late lies behind the reader, for ever."""
    with psycopg.connect(database.asyncpg_dsn, autocommit=True) as reader:
        reader.execute("CREATE TABLE naive (id bigserial PRIMARY KEY)")
        with psycopg.connect(database.asyncpg_dsn) as slow, psycopg.connect(database.asyncpg_dsn) as quick:
            slow.execute("INSERT INTO naive DEFAULT VALUES")
            quick.execute("INSERT INTO naive DEFAULT VALUES")
            quick.commit()
            last = reader.execute("SELECT max(id) FROM naive").fetchone()[0]  # type: ignore[index]
            slow.commit()
        later = reader.execute("SELECT count(*) FROM naive WHERE id > %s", [last]).fetchone()[0]  # type: ignore[index]
        total = reader.execute("SELECT count(*) FROM naive").fetchone()[0]  # type: ignore[index]

    assert (total, later) == (2, 0)


def test_a_writer_that_sleeps_before_commit_holds_readers_back(database: Database, pepper: Pepper) -> None:
    """While A has its place and sleeps, B waits; afterwards a reader sees A before B, with no gap between."""
    started, finished = threading.Event(), threading.Event()

    def slow() -> None:
        with Session(database.engine) as session:
            log.append(session, [fact("A")], NOW, pepper)
            started.set()
            session.execute(text("SELECT pg_sleep(0.3)"))
            finished.set()
            session.commit()

    thread = threading.Thread(target=slow)
    thread.start()
    started.wait()
    [quick] = append(database, pepper, fact("B"))
    thread.join()

    assert finished.is_set()
    with Session(database.engine) as session:
        assert [row.id for row in log.read(session, quick.log_offset - 2, 10)] == ["A", "B"]
