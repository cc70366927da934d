"""The end of a hold by the passing of time, where no event tells of it."""

from datetime import timedelta

import pytest

from feedback_ingest.canonical import Pepper
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.process import catch_up, leading
from feedback_loop.stream.rebuild import rebuild
from tests.stream.events import NOON, inference, truth, wipe
from tests.stream.test_routing import DOUBT, HOLDING, append_at, define, held, queued


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log."""
    wipe(database)
    return database


def test_a_hold_ends_when_nothing_comes_any_more(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """At its time, not before, and once; a rebuild ends it by the same fact."""
    define(empty, pepper, HOLDING)
    append_at(empty, pepper, NOON, inference("i1"), truth("t1", "i1", 3, tags=DOUBT))
    over = NOON + timedelta(seconds=3_600)
    catch_up(empty, settings)
    with leading(empty, settings) as stream:
        told = [stream.tell_time(moment) for moment in (over - timedelta(seconds=1), over)]
        while stream.step():
            pass
        told.append(stream.tell_time(over))
    live = queued(empty), held(empty)
    rebuild(empty, settings)

    assert told == [False, True, False]
    assert live == (queued(empty), held(empty)) == ({"t1"}, set())
