"""The stream when things go wrong: killed, doubled, poisoned; nothing counts twice, nothing is lost."""

from types import ModuleType
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream import positions, process
from feedback_loop.stream.consumers.rolling_metrics import RollingMetrics
from feedback_loop.stream.consumers.training_queue import TrainingQueue
from feedback_loop.stream.process import catch_up
from tests.stream.events import NOON, append, pairs, position, recount, tables, truth, wipe


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log."""
    wipe(database)
    return database


def dead_letters(database: Database) -> list[tuple[Any, ...]]:
    """Who could not take what, why, and after how many tries."""
    wanted = text("SELECT consumer, log_offset, error, attempts FROM dead_letters ORDER BY log_offset")
    with Session(database.engine) as session:
        return [tuple(row) for row in session.execute(wanted)]


class PowerCut(BaseException):
    """Stands for the moment the process dies: no consumer's error, nothing handles it."""


@pytest.mark.parametrize(
    ("place", "name"), [(positions, "advance"), (log, "append")], ids=["before the position", "before the commit"]
)
def test_effects_and_position_are_one(
    empty: Database, settings: Settings, pepper: Pepper, monkeypatch: pytest.MonkeyPatch, place: ModuleType, name: str
) -> None:
    """Dying between effects, position and commit leaves nothing behind; what comes after counts everything once."""
    append(empty, pepper, *pairs(0, 50))

    def die(*_: Any) -> None:
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(place, name, die)
        with pytest.raises(PowerCut):
            catch_up(empty, settings)
    catch_up(empty, settings)

    assert position(empty) == 100
    assert tables(empty)["live_metrics"] == recount(empty, settings.bucket_s)


def test_two_transactions_would_count_twice(
    empty: Database, settings: Settings, pepper: Pepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: effects committed apart from the position are there again after the crash."""
    append(empty, pepper, *pairs(0, 50))
    apply = RollingMetrics.apply

    def apart(self: RollingMetrics, batch: Any, cursor: Any, now: Any) -> None:
        with psycopg.connect(empty.asyncpg_dsn) as other:
            apply(self, batch, other.cursor(), now)

    def die(*_: Any) -> None:
        raise PowerCut

    monkeypatch.setattr(RollingMetrics, "apply", apart)
    with monkeypatch.context() as patched:
        patched.setattr(positions, "advance", die)
        with pytest.raises(PowerCut):
            catch_up(empty, settings)
    catch_up(empty, settings)

    assert tables(empty)["live_metrics"] != recount(empty, settings.bucket_s)


def test_a_poison_event_is_buried_alone(
    empty: Database, settings: Settings, pepper: Pepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one consumer cannot take becomes its dead letter; other consumers and all other events are unharmed."""
    append(empty, pepper, *pairs(0, 40))
    apply = RollingMetrics.apply

    def choke(self: RollingMetrics, batch: Any, cursor: Any, now: Any) -> None:
        if any(event.row.id == "t17" for event in batch.events):
            raise ValueError("what a person wrote")
        apply(self, batch, cursor, now)

    monkeypatch.setattr(process, "RETRY_S", (0.0, 0.0))
    monkeypatch.setattr(RollingMetrics, "apply", choke)
    catch_up(empty, settings)

    assert dead_letters(empty) == [("rolling_metrics", 36, "ValueError", 3)]
    assert len(tables(empty)["live_feedback"]) == len(tables(empty)["training_examples"]) == 40
    assert sum(row[7] for row in tables(empty)["live_metrics"] if row[3:5] == ("accuracy", "")) == 39
    assert position(empty) == 80


def test_an_event_nobody_can_read_is_buried(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """An event without what its kind needs reaches no table; those around it do."""
    broken = Fact(1, "feedback", "broken", {"feedback_type": "no_such_type"}, NOON)
    append(empty, pepper, *pairs(0, 3), broken, *pairs(3, 3))

    catch_up(empty, settings)

    assert [letter[:2] for letter in dead_letters(empty)] == [("attribution", 7)]
    assert len(tables(empty)["live_feedback"]) == 6


def test_what_only_the_database_refuses_is_buried_too(
    empty: Database, settings: Settings, pepper: Pepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value over one of PostgreSQL's limits is told as an operational error, like a lost connection; it is none."""
    append(empty, pepper, *pairs(0, 3), truth("large", "i0", 3), *pairs(3, 3))
    apply = TrainingQueue.apply

    def overflow(self: TrainingQueue, batch: Any, cursor: Any, now: Any) -> None:
        apply(self, batch, cursor, now)
        if any(event.row.id == "large" for event in batch.events):
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION USING errcode = '54000'; END $$")

    monkeypatch.setattr(process, "RETRY_S", (0.0,))
    monkeypatch.setattr(TrainingQueue, "apply", overflow)
    catch_up(empty, settings)

    assert [letter[:2] for letter in dead_letters(empty)] == [("training_queue", 7)]
    assert position(empty) == 13


def test_a_broken_program_stops_instead_of_burying_all(
    empty: Database, settings: Settings, pepper: Pepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one in a hundred dead letters: the stream stops and says so, the log waits."""
    from feedback_loop.stream.dead_letters import Poisoned

    append(empty, pepper, *pairs(0, 40))

    def choke(*_: Any) -> None:
        raise ValueError

    monkeypatch.setattr(process, "RETRY_S", (0.0,))
    monkeypatch.setattr(RollingMetrics, "apply", choke)

    with pytest.raises(Poisoned):
        catch_up(empty, settings)
    assert position(empty) == 11
