"""The stream sees what is committed, all of it and in order, whoever writes meanwhile (failure tests 14 to 16)."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import log, migrate
from feedback_ingest.clock import utc_now
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream import positions, process, reading
from tests.chaos.cluster import Cluster
from tests.chaos.doors import PEPPER
from tests.chaos.streams import SIGNED, following, head_of, is_exact, place_of, wait_for_place
from tests.stream.events import append, inference, pairs
from tests.support.waiting import wait_for

NAIVE = (
    (
        "SELECT next_offset INTO STRICT base FROM staging.log_head WHERE shard = 0 FOR UPDATE",
        "base := nextval('staging.naive_offsets')",
    ),
    (
        "UPDATE staging.log_head SET next_offset = coalesce((SELECT max(o) + 1 FROM unnest(new_offsets) o), base)\n"
        "    WHERE shard = 0",
        "PERFORM 1",
    ),
)


def change_append(database: Database, *changes: tuple[str, str]) -> None:
    """Plants another way into the log."""
    planted = migrate.sql("append_events")
    for honest, bug in changes:
        assert honest in planted
        planted = planted.replace(honest, bug)
    with database.engine.begin() as connection:
        connection.execute(text("SELECT staging.ensure_partitions(500000)"))
        connection.execute(text("CREATE SEQUENCE staging.naive_offsets"))
        connection.exec_driver_sql(planted.replace("%", "%%"))


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    """Settings for a stream in this process."""
    return Settings(data_dir=tmp_path, database_url=database.url, pepper=PEPPER)


def names(database: Database) -> list[str]:
    """The inferences that the stream knows."""
    with database.engine.connect() as connection:
        return [row[0] for row in connection.execute(text("SELECT inference_request_id FROM live_inferences"))]


def write(database: Database, fact: Fact, pause_s: float = 0.0, gives_up: bool = False) -> bool:
    """One transaction of one event that lasts `pause_s` longer; whether it was committed."""
    with Session(database.engine) as session:
        log.append(session, [fact], utc_now(), SIGNED)
        threading.Event().wait(pause_s)
        if not gives_up:
            session.commit()
    return not gives_up


def waits(database: Database) -> bool:
    """Whether a writer waits for another one."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with database.engine.connect() as connection:
        return connection.execute(text(waiting)).scalar_one() > 0


@pytest.mark.parametrize(("naive", "holds"), [(False, True), (True, False)])
def test_nobody_is_overtaken(database: Database, settings: Settings, naive: bool, holds: bool) -> None:
    """A writer has its place and does not commit, another one comes after it: the stream passes neither.

    The bug planted, places from a `naive` sequence, lets the second be seen first, and the first never.
    """
    if naive:
        change_append(database, *NAIVE)
    with following(database, settings):
        with Session(database.engine) as first:
            log.append(first, [inference("first")], utc_now(), SIGNED)
            second = threading.Thread(target=write, args=(database, inference("second")))
            second.start()
            wait_for(lambda: waits(database) or names(database) != [], 60, "the second to wait, or to be seen")
            early = names(database)
            first.commit()
        second.join(20)
        write(database, inference("third"))
        wait_for(lambda: "third" in names(database), 60, "the third to be seen")

    assert (early == [] and sorted(names(database)) == ["first", "second", "third"]) == holds


def stress(database: Database, writers: int, seconds: float) -> set[str]:
    """Writers with jitter, of whose commits one in twenty is slow and one in fifty is none: what was committed."""
    committed: set[str] = set()
    until = time.monotonic() + seconds

    def run(number: int) -> None:
        chance, turn = random.Random(number), 0
        while time.monotonic() < until:
            turn += 1
            name = f"{number}-{turn}"
            pause_s = 0.05 if chance.random() < 0.05 else chance.random() * 0.002
            if write(database, inference(name), pause_s, gives_up=chance.random() < 0.02):
                committed.add(name)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return committed


@pytest.mark.parametrize(
    ("seconds", "naive", "holds"),
    [(1, False, True), pytest.param(20, False, True, marks=pytest.mark.chaos), (1, True, False)],
)
def test_all_that_is_committed_is_seen(
    database: Database, settings: Settings, seconds: float, naive: bool, holds: bool
) -> None:
    """Twelve writers, slow commits, rollbacks: exactly what was committed, and offsets without a gap."""
    if naive:
        change_append(database, *NAIVE)
    settings = settings.model_copy(update={"stream_pause_ms": 1})
    with following(database, settings):
        committed = stress(database, 12, seconds)
        committed.add("last") if write(database, inference("last")) else None
        wait_for(lambda: "last" in names(database), 60, "the last to be seen")
    seen = names(database)

    assert (set(seen) == committed) == holds
    assert not holds or len(seen) == head_of(database) == len(committed)


@pytest.fixture
def idle_elsewhere(cluster: Cluster) -> Iterator[None]:
    """A transaction that has written and stands open in another database of the same server."""
    with cluster.connect() as other:
        other.execute("BEGIN")
        other.execute("SELECT pg_current_xact_id()")
        yield


@pytest.mark.parametrize(("xmin", "holds"), [(False, True), pytest.param(True, False, marks=pytest.mark.chaos)])
def test_a_stranger_who_idles_holds_nobody_up(
    idle_elsewhere: None,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    xmin: bool,
    holds: bool,
) -> None:
    """A long transaction in another database: the stream goes on. The bug planted waits for `xmin` to pass."""
    honest = log.read
    settled = (
        "SELECT log_offset FROM staging.feedback_events "
        "WHERE xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
    )

    def read(session: Session, *given: Any, **named: Any) -> Any:
        passed = {row[0] for row in session.execute(text(settled))}
        return [row for row in honest(session, *given, **named) if row.log_offset in passed]

    if xmin:
        monkeypatch.setattr(reading.log, "read", read)
    with following(database, settings):
        append(database, SIGNED, *pairs(0, 5))
        seen = _reaches(database, 10)

    assert seen == holds


@pytest.mark.parametrize("deaf", [False, pytest.param(True, marks=pytest.mark.chaos)])
def test_a_lost_wake_up_costs_a_look(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, deaf: bool
) -> None:
    """Nobody says that there is something new: the stream looks by itself. The bug planted only waits to be called."""
    change_append(database, ("PERFORM pg_notify('feedback_log', '');", ""))
    if deaf:
        monkeypatch.setattr(positions, "SILENT_S", 10**6)
        settings = settings.model_copy(update={"stream_poll_ms": 10**8})
    with following(database, settings):
        wait_for(lambda: is_working(database), 60, "the stream to work")
        append(database, SIGNED, *pairs(0, 5))
        seen = _reaches(database, 10)
        with database.engine.begin() as connection:
            connection.execute(text("SELECT pg_notify('feedback_log', '')"))
        wait_for_place(database, 10)

    assert seen != deaf


@pytest.mark.chaos
@pytest.mark.parametrize("mortal", [False, True])
def test_a_crash_of_postgres_is_a_pause(
    cluster: Cluster, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, mortal: bool
) -> None:
    """PostgreSQL crashes twice under the stream: it goes on where it was. The bug planted ends with its connection."""
    if mortal:
        monkeypatch.setattr(process, "AWAY", ())
        monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with following(database, settings) as thread:
        for round_ in range(2):
            append(database, SIGNED, *pairs(round_ * 100, 100))
            wait_for(lambda: place_of(database) > 0 or not thread.is_alive(), 60, "the stream to begin")
            cluster.crash()
            cluster.start()
            database.engine.dispose()
        append(database, SIGNED, *pairs(200, 5))
        goes_on = _reaches(database, 410, within_s=5 if mortal else 30)

    assert goes_on != mortal
    assert mortal or is_exact(database, settings)


def is_working(database: Database) -> bool:
    """Whether a stream holds the leases and listens."""
    listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
    with database.engine.connect() as connection:
        return connection.execute(text(listening)).scalar_one() > 0


def _reaches(database: Database, place: int, within_s: float = 3) -> bool:
    try:
        wait_for_place(database, place, within_s)
    except AssertionError:
        return False
    return True
