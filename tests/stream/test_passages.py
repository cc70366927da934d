"""When the stream was through with what is noted once, and a rebuild leaves it as it was."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream import passages
from feedback_loop.stream.consumers import collect
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.rebuild import rebuild
from feedback_loop.stream.tables import Passage, ServedVersion
from tests.stream.events import NOON, append, inference, pairs, wipe


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log."""
    wipe(database)
    return database


def noted(database: Database) -> list[Any]:
    """All notes in order."""
    with Session(database.engine) as session:
        found = session.exec(select(Passage).order_by(col(Passage.last_offset))).all()
        return [(one.first_offset, one.last_offset, one.passed_at) for one in found]


def test_every_batch_is_noted_once(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Without gaps, after it was received; a rebuild in other batches adds nothing and changes nothing."""
    append(empty, pepper, *pairs(0, 5))
    catch_up(empty, settings.model_copy(update={"stream_batch": 4}))
    before = noted(empty)

    rebuild(empty, settings.model_copy(update={"stream_batch": 3}))
    append(empty, pepper, *pairs(5, 1))
    catch_up(empty, settings)

    assert [one[:2] for one in before] == [(1, 4), (5, 8), (9, 10)]
    assert noted(empty)[:3] == before and [one[:2] for one in noted(empty)[3:]] == [(11, 12)]


def test_one_consumer_does_not_hide_another(empty: Database, settings: Settings, session: Session) -> None:
    """Consumers that work apart are noted apart, each as far as it has come."""
    cursor: Any = session.connection().connection.cursor()
    for names, first, last in ((["b"], 1, 9), (["a"], 1, 5), (["a", "b"], 3, 7), (["a"], 6, 9)):
        passages.note(cursor, names, first, last, utc_now())
    session.commit()

    assert sorted(one[:2] for one in noted(empty)) == [(1, 5), (1, 9), (6, 9)]


def test_old_notes_are_swept_out(empty: Database, session: Session) -> None:
    """After a week, a bounded number at a time."""
    cursor: Any = session.connection().connection.cursor()
    now = utc_now()
    for n, age_days in enumerate((9, 8, 6, 0)):
        passages.note(cursor, list(collect()), n + 1, n + 1, now - timedelta(days=age_days))
    passages.note(cursor, list(collect()), passages.SWEEP_EVERY, passages.SWEEP_EVERY, now)
    session.commit()

    assert [one[0] for one in noted(empty)] == [3, 4, passages.SWEEP_EVERY]


def test_the_first_answer_of_a_version_is_kept(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """The first by the log's order, through any number of batches and a rebuild."""
    append(empty, pepper, inference("a", second=5), inference("b", version="m2", second=7), inference("c", second=1))
    catch_up(empty, settings.model_copy(update={"stream_batch": 1}))
    rebuild(empty, settings)

    with Session(empty.engine) as session:
        found = session.exec(select(ServedVersion).order_by(col(ServedVersion.model_version))).all()
        told = [(one.model_version, one.first_offset, one.first_answer_at) for one in found]
    assert told == [("m1", 1, NOON + timedelta(seconds=5)), ("m2", 2, NOON + timedelta(seconds=7))]
