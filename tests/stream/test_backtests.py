"""Backtests: the history is told as the stream told it, and nothing is changed by asking."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.canonical import Pepper
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.rules import Rule
from feedback_loop.stream import backtesting
from feedback_loop.stream.backtesting import Past, backtest
from feedback_loop.stream.process import catch_up
from tests.stream.events import append, inference, kept, truth, wipe
from tests.stream.test_rules import define, judged_at

FLOOR = Rule(
    rule_id="floor", metric="accuracy", comparison="below", threshold=0.8, window_s=30, min_samples=20, margin=0.02
)


@pytest.fixture
def history(database: Database, settings: Settings, pepper: Pepper) -> Database:
    """Twenty minutes with three bad ones in them, which FLOOR was defined for, in a log with other projects' events."""
    wipe(database)
    define(database, settings, pepper, FLOOR, "accuracy_floor")
    bad = {n for first in (200, 600, 900) for n in range(first, first + 60)}
    for part in range(0, 1_200, 50):
        told = [judged_at(n, n, right=n not in bad) for n in range(part, part + 50)]
        append(database, pepper, *(fact for pair in told for fact in pair))
        catch_up(database, settings)
    return database


def alerts(database: Database) -> list[Any]:
    """What the stream told, in order."""
    wanted = "SELECT state, occurred_at, value, samples, reason FROM alerts ORDER BY cause_offset, occurred_at"
    with Session(database.engine) as session:
        return [(*row,) for row in session.execute(text(wanted))]


def past(database: Database, first: int = 1, project_id: int = 1) -> Past:
    """The log from an offset on."""
    with Session(database.engine) as session:
        return Past(project_id, first, backtesting.read_upto(session))


def test_it_tells_what_the_stream_told(history: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule that was live fires at the same moments with the same figures when the log is read again."""
    monkeypatch.setattr(backtesting, "LOOK_EVENTS", 100)

    found = backtest(history, settings, past(history, first=3), FLOOR)

    told = [(one["state"], one["occurred_at"], one["value"], one["samples"], one["reason"]) for one in found.told]
    assert (found.fired, len(found.told), found.is_complete) == (3, 6, True)
    assert told == [(state, at.isoformat(), *rest) for state, at, *rest in alerts(history)]
    assert [one["offset"] for one in found.told] == sorted(one["offset"] for one in found.told)


def test_another_rule_would_have_told_otherwise(history: Database, settings: Settings) -> None:
    """A stricter one fires for less, one with evidence fires too, one for another metric or project never."""
    lenient = Rule(**FLOOR.as_data() | {"threshold": 0.01})
    sure = Rule(**FLOOR.as_data() | {"alpha": 0.01})
    other = Rule(**FLOOR.as_data() | {"metric": "satisfaction"})

    fired = [backtest(history, settings, past(history), rule).fired for rule in (lenient, sure, other)]
    elsewhere = backtest(history, settings, past(history, project_id=7), FLOOR)

    assert fired == [3, 3, 0]
    assert elsewhere.fired == 0


def test_asking_changes_nothing(history: Database, settings: Settings) -> None:
    """No row and no fact is there that was not there before, and the stream goes on where it was."""
    before = kept(history), past(history)

    backtest(history, settings, past(history), Rule(**FLOOR.as_data() | {"threshold": 0.99}))

    assert (kept(history), past(history)) == before
    assert catch_up(history, settings) == before[1].last_offset


def test_it_says_where_it_stopped(history: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more events than it may look at it tells the first, and how far it came."""
    monkeypatch.setattr(backtesting, "MOST_EVENTS", 600)

    found = backtest(history, settings, past(history), FLOOR)

    assert (found.events, found.last_offset, found.is_complete, found.fired) == (600, 600, False, 1)


def test_what_came_late_is_told_when_it_came(database: Database, settings: Settings, pepper: Pepper) -> None:
    """Truths before their inferences count from the moment they could be attributed."""
    wipe(database)
    append(database, pepper, *(truth(f"t{n}", f"i{n}", 4, second=n) for n in range(30)))
    append(database, pepper, *(inference(f"i{n}", second=n) for n in range(30)))
    catch_up(database, settings)

    found = backtest(database, settings, past(database), FLOOR)

    assert [one["offset"] for one in found.told] == [60]
