"""What every consumer of the stream promises, whoever wrote it."""

import pytest
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.clock import utc_now
from feedback_ingest.log import LogRow
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.consumers import Batch, Event, collect
from tests.stream.events import NOON


@pytest.mark.parametrize("name", collect())
def test_a_consumer_comes_after_those_it_follows(name: str) -> None:
    """What it reads in the batch has been found out before its turn."""
    order = list(collect())

    assert all(order.index(earlier) < order.index(name) for earlier in collect()[name].after)


@pytest.mark.parametrize("name", collect())
def test_a_consumer_passes_over_what_is_not_its_business(name: str, database: Database, settings: Settings) -> None:
    """A fact of another kind changes nothing and is appended to by nothing."""
    batch = Batch([Event(LogRow(1, 1, "dataset_compiled", "d", NOON, NOON, {}))])

    with Session(database.engine) as session:
        cursor = session.connection().connection.cursor()
        collect()[name](settings).apply(batch, cursor, utc_now())  # type: ignore[arg-type]

        assert (batch.changes, batch.moved, batch.facts, log.head(session)) == ([], {}, [], 0)


@pytest.mark.parametrize("name", collect())
def test_a_consumer_says_what_it_is(name: str) -> None:
    """It is found by its name, and its docstring is its page."""
    assert collect()[name].name == name
    assert collect()[name].__doc__
