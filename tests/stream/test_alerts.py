"""Alerts: a fall is told once, whether it is watched as it happens or found in a backlog; the past stays decided."""

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.canonical import Pepper
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.process import catch_up
from tests.stream.events import append, inference, truth, wipe


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log."""
    wipe(database)
    return database


@pytest.fixture
def watching(settings: Settings) -> Settings:
    """Settings of a rule that needs few samples."""
    return settings.model_copy(update={"rule_min_samples": 20})


def judged(n: int, wrong: bool, second: int | None = None) -> tuple[Fact, Fact]:
    """An inference at second n, and its truth."""
    return inference(f"i{n}", second=n), truth(
        f"t{n}", f"i{n}", 4 if wrong else 3, second=n if second is None else second
    )


def told(database: Database) -> tuple[list[str], list[str]]:
    """The alerts in the log and those in the table, in order."""
    in_log = "SELECT kind FROM staging.feedback_events WHERE kind LIKE 'alert%' ORDER BY log_offset"
    in_table = "SELECT state FROM alerts ORDER BY cause_offset, occurred_at"
    with Session(database.engine) as session:
        facts = [row.kind.removeprefix("alert_") for row in session.execute(text(in_log))]
        return facts, [row.state for row in session.execute(text(in_table))]


@pytest.mark.parametrize("size", [10, 300])
def test_a_fall_and_a_rise_are_told_once_each(empty: Database, watching: Settings, pepper: Pepper, size: int) -> None:
    """Five minutes with a bad one in the middle: one alert, one recovery, in small batches and in one large one."""
    history = [judged(n, wrong=100 <= n < 200) for n in range(300)]
    for part in range(0, 300, size):
        append(empty, pepper, *(fact for pair in history[part : part + size] for fact in pair))
        catch_up(empty, watching)

    assert told(empty) == (["raised", "recovered"], ["raised", "recovered"])


def test_the_past_is_not_decided_again(empty: Database, watching: Settings, pepper: Pepper) -> None:
    """Bad news about good minutes when they are over: it lowers those minutes' numbers and raises no alert."""
    append(empty, pepper, *(fact for n in range(200) for fact in judged(n, wrong=False)))
    catch_up(empty, watching)

    append(empty, pepper, *(fact for n in range(200, 350) for fact in judged(n, wrong=True, second=n - 200)))
    catch_up(empty, watching)

    assert told(empty) == ([], [])


def test_late_news_about_the_present_counts(empty: Database, watching: Settings, pepper: Pepper) -> None:
    """Feedback a few seconds late still belongs to the window that is looked at now."""
    append(empty, pepper, *(fact for n in range(100) for fact in judged(n, wrong=False)))
    catch_up(empty, watching)

    append(empty, pepper, *(fact for n in range(100, 200) for fact in judged(n, wrong=True, second=85)))
    catch_up(empty, watching)

    assert told(empty) == (["raised"], ["raised"])


def test_a_restored_log_tells_its_alerts_again_but_makes_none(
    empty: Database, watching: Settings, pepper: Pepper
) -> None:
    """With every table gone and only the log left, a rebuild reads the alerts back and appends nothing."""
    from feedback_loop.stream.rebuild import rebuild

    append(empty, pepper, *(fact for n in range(300) for fact in judged(n, wrong=100 <= n < 200)))
    catch_up(empty, watching)
    before = told(empty)
    with empty.engine.begin() as connection:
        connection.execute(text("TRUNCATE consumer_positions, alerts"))

    rebuild(empty, watching.model_copy(update={"stream_batch": 50}))

    assert before == (["raised", "recovered"], ["raised", "recovered"])
    assert told(empty) == before


def test_an_alert_wakes_who_listens(empty: Database, watching: Settings, pepper: Pepper) -> None:
    """Whoever listens is woken once the alert is committed."""
    import psycopg

    from feedback_loop.stream.consumers.alerts import CHANNEL

    with psycopg.connect(empty.asyncpg_dsn, autocommit=True) as listening:
        listening.execute(f"LISTEN {CHANNEL}")
        append(empty, pepper, *(fact for n in range(60) for fact in judged(n, wrong=True)))
        catch_up(empty, watching)
        heard = list(listening.notifies(timeout=5, stop_after=1))

    assert [notice.payload for notice in heard] == [""]
