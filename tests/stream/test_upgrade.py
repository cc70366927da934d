"""A database of an earlier version: what its stream kept is read from the log again where it has grown."""

import pytest
from sqlalchemy import text

from feedback_ingest import migrate
from feedback_ingest.canonical import Pepper
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.consumers import collect
from feedback_loop.stream.process import catch_up
from tests.stream.events import append, pairs, recount, tables

FIRST = ["attribution", "enrichment", "rolling_metrics", "alerts", "webhooks", "training_queue"]
BEFORE_SEGMENTS, BEFORE_WEIGHTS = ("0011", FIRST), ("0024", [*FIRST, "flagging", "routing"])
PLACED = """
INSERT INTO consumer_positions (name, epoch, log_offset, decided_offset, updated_at)
SELECT name, 1, 20, 20, now() FROM unnest(CAST(:names AS text[])) k(name)
"""


@pytest.mark.parametrize("before", [BEFORE_SEGMENTS, BEFORE_WEIGHTS])
def test_metrics_that_have_grown_are_summed_from_the_first_event(
    server: Database, settings: Settings, pepper: Pepper, before: tuple[str, list[str]]
) -> None:
    """A stream that had read everything before there were segments, or weights, counts it all anew; nobody is left
    behind."""
    version, names = before
    older = server.sibling(f"before_{version}")
    migrate.upgrade(older, version)
    append(older, pepper, *pairs(0, 10))
    with older.engine.begin() as connection:
        connection.execute(text(PLACED), {"names": names})

    migrate.upgrade(older)
    reached = catch_up(older, settings)

    with older.engine.connect() as connection:
        found = connection.execute(text("SELECT name, log_offset FROM consumer_positions"))
        places = {row.name: row.log_offset for row in found}
    assert reached == 20 and places == dict.fromkeys(collect(), 20)
    assert tables(older)["live_metrics"] == recount(older, settings.bucket_s) != []
    older.close()
