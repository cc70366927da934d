"""Where a time stands in the log: found in a few looks by key, however long the log, whoever's clock is ahead."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.project_log import FIRST_SINCE, first_offset

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
EVENTS, PIECE = 6_000, 1_000


@pytest.fixture(scope="module")
def long(database: Database) -> Database:
    """A log of a second an event; every third receiver's clock is twenty seconds behind."""
    with Session(database.engine) as session:
        for first in range(0, EVENTS, PIECE):
            for n in range(first, first + PIECE, 500):
                at = NOON + timedelta(seconds=n - (20 if n // 500 % 3 == 2 else 0))
                facts = [Fact(1, "inference", f"i{m}", {"outputs": []}, at) for m in range(n, n + 500)]
                log.append(session, facts, at, Pepper(b"a pepper that is long enough"))
        session.commit()
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE staging.feedback_events"))
    return database


def start_of(database: Database, since: datetime) -> tuple[int, int]:
    """The offset that a time names, and how many statements that took."""
    asked: list[str] = []

    def listen(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    event.listen(database.engine, "before_cursor_execute", listen)
    try:
        with Session(database.engine) as session:
            return first_offset(session, 1, f"ts:{since.isoformat()}", NOON), len(asked)
    finally:
        event.remove(database.engine, "before_cursor_execute", listen)


@pytest.mark.parametrize("seconds", [-100, 0, 1, 480, 500, 979, 980, 981, 1_000, 3_000, 5_500, 30_000])
def test_a_time_names_the_first_event_since(long: Database, seconds: int) -> None:
    """The very one that a look at all of them finds, in twenty looks."""
    since = NOON + timedelta(seconds=seconds)
    with Session(long.engine) as session:
        wanted = text("SELECT min(log_offset) FROM staging.known_events WHERE received_at >= :since")
        exact = session.execute(wanted, {"since": since}).scalar() or log.head(session) + 1

    found, looks = start_of(long, since)

    assert (found, looks <= 20) == (exact, True)


def test_the_last_look_reads_no_more_than_the_clocks_differ(long: Database) -> None:
    """By the key of the log, from near its place on: neither the rows before it nor all behind it are read."""
    asked = {"low": EVENTS // 2, "since": NOON + timedelta(seconds=EVENTS // 2)}
    with Session(long.engine) as session:
        told = session.execute(text(f"EXPLAIN (ANALYZE, FORMAT TEXT) {FIRST_SINCE.text}"), asked).scalars().all()
    plan = "\n".join(told)

    assert "Seq Scan on feedback_events" not in plan and "Bitmap" not in plan, plan
    assert "Index Scan" in plan
