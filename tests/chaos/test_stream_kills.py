"""The stream is killed, frozen, doubled and poisoned: everything counts once (failure tests 17 to 20 and 22)."""

import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from feedback_ingest.clock import monotonic_s
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.process import catch_up
from tests.chaos.doors import PEPPER
from tests.chaos.streams import SIGNED, MakeFollower, fed, head_of, is_exact, place_of, wait_for_place
from tests.stream.events import append, judged, pairs, tables, truth


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    """Settings for a stream in this process."""
    return Settings(data_dir=tmp_path, database_url=database.url, pepper=PEPPER)


def rows(database: Database, query: str) -> list[Any]:
    """What a query gives."""
    with database.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


@pytest.mark.parametrize(
    ("kills", "plant", "holds"),
    [
        (3, "", True),
        pytest.param(50, "", True, marks=pytest.mark.chaos),
        pytest.param(20, "two_transactions", False, marks=pytest.mark.chaos),
    ],
)
def test_kills_of_the_stream_count_nothing_twice(
    database: Database, settings: Settings, make_follower: MakeFollower, kills: int, plant: str, holds: bool
) -> None:
    """kill -9 under load: the rolling numbers equal a recount to the last digit, each alert is told under one id.

    The bug planted, two transactions instead of one, is found by the kills that fall between them.
    """
    with fed(database):
        for _ in range(kills):
            follower = make_follower(plant, stream_batch=50)
            wait_for_place(database, place_of(database) + 100)
            follower.kill()
    catch_up(database, settings)

    assert is_exact(database, settings) == holds
    assert place_of(database) >= head_of(database) - 1
    alerts = rows(database, "SELECT id FROM staging.feedback_events WHERE kind LIKE 'alert_%'")
    assert len(set(alerts)) == len(alerts)


@pytest.mark.parametrize(
    ("times", "plant", "holds"),
    [
        pytest.param(10, "stream_points", True, marks=pytest.mark.chaos),
        pytest.param(1, "stream_points,two_transactions", False, marks=pytest.mark.chaos),
    ],
)
def test_effects_and_place_are_one(
    database: Database, settings: Settings, make_follower: MakeFollower, times: int, plant: str, holds: bool
) -> None:
    """Killed between effects and place, and between place and COMMIT, ten times each: everything counts once.

    The bug planted, two transactions instead of one, counts twice what was committed before the kill.
    """
    with fed(database):
        for number in range(times):
            for point in ("applied", "advanced"):
                follower = make_follower(plant)
                follower.arm(point, 1 + number)
                follower.wait()
    catch_up(database, settings)

    assert is_exact(database, settings) == holds


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("blow", "plant", "holds"),
    [(signal.SIGKILL, "", True), (signal.SIGSTOP, "", True), (signal.SIGSTOP, "trusting", False)],
)
def test_another_takes_over(
    database: Database, settings: Settings, make_follower: MakeFollower, blow: signal.Signals, plant: str, holds: bool
) -> None:
    """Of two streams one works; when it is killed or stands still the other works within five seconds.

    The bug planted waits for one that stands still.
    """
    first = make_follower()
    append(database, SIGNED, *pairs(0, 10))
    wait_for_place(database, 20)
    second = make_follower(plant)
    with fed(database):
        wait_for_place(database, 200)
        first.send(blow)
        began_s, before = monotonic_s(), place_of(database)
        while place_of(database) <= before + 50 and monotonic_s() < began_s + 8:
            pass
        took_s = monotonic_s() - began_s
        first.send(signal.SIGCONT) if blow == signal.SIGSTOP else None
    if holds:
        wait_for_place(database, head_of(database) - 1)
    for follower in (first, second):
        follower.close()
    catch_up(database, settings)

    assert (took_s < 5) == holds
    assert is_exact(database, settings)


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("plant", "error"),
    [
        ("choking=raise", "ValueError"),
        ("choking=turn", "TookTooLong"),
        ("choking=hoard", "MemoryError"),
        ("choking=turn,endless", None),
    ],
)
def test_poison_is_buried_alone(database: Database, make_follower: MakeFollower, plant: str, error: str | None) -> None:
    """An event at which a consumer raises, turns in circles or takes all memory: one dead letter, and on it goes.

    The bug planted, a handler may take as long as it takes, ends the stream's progress at that event.
    """
    append(database, SIGNED, *pairs(0, 20), truth("poison", "i3", 3), *pairs(20, 20))
    make_follower(plant)
    try:
        wait_for_place(database, 81, within_s=90 if error else 25)
    except AssertionError:
        assert error is None
        return

    assert rows(database, "SELECT consumer, log_offset, error, attempts FROM dead_letters") == [
        ("rolling_metrics", 41, error, 3)
    ]
    assert len(tables(database)["live_feedback"]) == 41
    assert sum(judged(database).values()) == 40


@pytest.mark.chaos
@pytest.mark.parametrize(("plant", "holds"), [("slow=0.0001", True), ("slow=0.0001,greedy", False)])
def test_a_slow_stream_holds_no_backlog(
    database: Database, settings: Settings, make_follower: MakeFollower, plant: str, holds: bool
) -> None:
    """A consumer ten times too slow: the backlog stays in the log, not in memory, and is worked off at the end."""
    for first in range(0, 30_000, 1_000):
        append(database, SIGNED, *pairs(first, 1_000))

    follower = make_follower(plant)
    wait_for_place(database, 60_000, within_s=120)

    assert (follower.peak_mib() < 200) == holds, follower.peak_mib()
    follower.close()
    assert is_exact(database, settings)
