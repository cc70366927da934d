"""Who may work: one process at a time, and another within five seconds when it ends, dies or freezes."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlmodel import Session

from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import monotonic_s
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream import positions, process
from feedback_loop.stream.groups import group_of
from feedback_loop.stream.rebuild import rebuild
from feedback_loop.stream.status import StreamStatus, status
from tests.stream.events import append, pairs, recount, tables, wait_for_position, wipe


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log."""
    wipe(database)
    return database


@contextmanager
def following(database: Database, settings: Settings) -> Iterator[None]:
    """A stream in a thread of this process."""
    stop = threading.Event()
    thread = threading.Thread(target=process.run, args=(database, settings, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def child(database: Database, settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A stream in a process of its own."""
    environment = os.environ | {"FEEDBACK_DATABASE_URL": database.url, "FEEDBACK_PEPPER": str(settings.pepper)}
    environment |= {"FEEDBACK_DATA_DIR": str(settings.data_dir)}
    with subprocess.Popen([sys.executable, "-m", "feedback_cli", "stream"], env=environment) as stream:
        try:
            yield stream
        finally:
            stream.send_signal(signal.SIGKILL)


def test_only_the_newest_holder_commits(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """A process that lost its lease without knowing is fenced by the epoch: its batch leaves nothing behind."""
    append(empty, pepper, *pairs(0, 10))
    with psycopg.connect(empty.asyncpg_dsn) as old, psycopg.connect(empty.asyncpg_dsn) as new:
        zombie = process.Stream(old, settings, pepper)
        process.Stream(new, settings, pepper).step()

        with pytest.raises(positions.Fenced):
            zombie.step()

    assert tables(empty)["live_metrics"] == recount(empty, settings.bucket_s)


def test_a_holder_without_a_fence_would_count_twice(
    empty: Database, settings: Settings, pepper: Pepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: a place that anybody may move, whatever the epoch and wherever it stands."""
    fence = "AND p.epoch = k.epoch AND p.log_offset = %s"
    assert fence in positions.ADVANCE
    monkeypatch.setattr(positions, "ADVANCE", positions.ADVANCE.replace(fence, "AND %s >= 0"))
    append(empty, pepper, *[fact for fact in pairs(0, 10) if fact.kind == "inference"])
    with psycopg.connect(empty.asyncpg_dsn) as old, psycopg.connect(empty.asyncpg_dsn) as new:
        zombie = process.Stream(old, settings, pepper, names=group_of("rolling_metrics"))
        for stream in (process.Stream(new, settings, pepper), zombie):
            stream.step()

    assert tables(empty)["live_metrics"] != recount(empty, settings.bucket_s)


def test_one_name_works_in_one_process(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """While one holds the lease a second one waits; it takes over within five seconds of the first one's end."""
    stop_first, stop_second = threading.Event(), threading.Event()
    first = threading.Thread(target=process.run, args=(empty, settings, stop_first))
    second = threading.Thread(target=process.run, args=(empty, settings, stop_second))
    first.start()
    append(empty, pepper, *pairs(0, 5))
    wait_for_position(empty, 10)
    second.start()
    stop_first.set()
    first.join()
    ended_s = monotonic_s()
    append(empty, pepper, *pairs(5, 5))
    wait_for_position(empty, 20)
    taken_over_s = monotonic_s() - ended_s
    stop_second.set()
    second.join()

    assert taken_over_s < 5
    assert tables(empty)["live_metrics"] == recount(empty, settings.bucket_s)


@pytest.mark.slow
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
def test_another_takes_over_from_a_dead_or_frozen_one(
    empty: Database, settings: Settings, pepper: Pepper, blow: signal.Signals
) -> None:
    """Within five seconds; and the frozen one, thawed, commits nothing that was committed already."""
    append(empty, pepper, *pairs(0, 5))
    with child(empty, settings) as first:
        wait_for_position(empty, 10)
        with following(empty, settings):
            first.send_signal(blow)
            blown_s = monotonic_s()
            append(empty, pepper, *pairs(5, 5))
            wait_for_position(empty, 20)
            taken_over_s = monotonic_s() - blown_s
            first.send_signal(signal.SIGCONT)
            append(empty, pepper, *pairs(10, 5))
            wait_for_position(empty, 30)

    assert taken_over_s < 5
    assert tables(empty)["live_metrics"] == recount(empty, settings.bucket_s)


def test_a_holder_at_work_is_left_alone(empty: Database, settings: Settings) -> None:
    """The one that asks in vain ends only a holder that has long been silent."""
    with psycopg.connect(empty.asyncpg_dsn) as holder, psycopg.connect(empty.asyncpg_dsn) as other:
        assert positions.try_lease(holder, ["attribution"])

        assert not positions.try_lease(other, ["alerts", "attribution"])

        assert not holder.closed and holder.execute("SELECT 1").fetchone() == (1,)


def test_nothing_is_rebuilt_under_a_working_stream(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """A rebuild while a stream works is refused, and leaves the tables alone."""
    append(empty, pepper, *pairs(0, 5))
    with following(empty, settings):
        wait_for_position(empty, 10)

        with pytest.raises(positions.Fenced):
            rebuild(empty, settings)

    assert len(tables(empty)["live_feedback"]) == 5


def test_the_status_tells_where_it_stands(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Position, lag and whether somebody works, before, during and after."""
    append(empty, pepper, *pairs(0, 5)[1:])
    before = status_once(empty, is_running=False)
    with following(empty, settings):
        wait_for_position(empty, 9)
        during = status_once(empty, is_running=True)
    after = status_once(empty, is_running=False)

    assert (before.log_offset, before.hindmost.head, before.lag) == (0, 9, 9)
    assert before.lag_s > 0
    assert (during.log_offset, during.lag, during.lag_s) == (9, 0, 0.0)
    assert (after.pending, after.attribution_changes, after.dead_letters) == (1, 5, 0)


def status_once(database: Database, is_running: bool, within_s: float = 10) -> StreamStatus:
    """The status once somebody works, or nobody does: the database needs a moment to see a connection end."""
    until_s = monotonic_s() + within_s
    while monotonic_s() < until_s:
        with Session(database.engine) as session:
            found = status(session)
        if found.is_running == is_running:
            return found
    raise AssertionError(f"still {found}")
