"""How long metrics are kept: a table with a bound, the same after any order of batches and after a rebuild."""

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.canonical import Pepper
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.rebuild import rebuild
from tests.stream.events import NOON, append, feedback, inference, kept, recount, truth, wipe

DAYS = 5
HOUR_S = 3_600


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log."""
    wipe(database)
    return database


@pytest.fixture
def short(settings: Settings) -> Settings:
    """Fine for a day, kept for three."""
    return settings.model_copy(update={"metrics_fine_days": 1, "metrics_days": 3})


def story() -> list[Fact]:
    """Five days of answers with truths in sessions, four in an hour; some truths come late, some are taken back."""
    facts: list[Fact] = []
    late: list[Fact] = []
    for n in range(DAYS * 24 * 4):
        second = n * 900
        session = {"user_context": {"user_id": "p_1", "session_id": f"s{n // 3}"}}
        said = truth(f"t{n}", f"i{n}", n % 5, second=second + 5, **session)
        facts.append(inference(f"i{n}", answer=n % 4, second=second))
        (late if n % 7 == 0 else facts).append(said)
        if n % 11 == 0 and n % 7:
            late.append(feedback(f"r{n}", f"i{n}", "retraction", {"retracts": f"t{n}"}, second + 9))
    return [*facts, *late]


def sums(rows: list[Any]) -> dict[tuple[Any, ...], Decimal]:
    """Numerators by metric, and by the hour where the rows are older than a day before the newest answer."""
    newest = NOON + timedelta(seconds=(DAYS * 24 * 4 - 1) * 900)
    found: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for _, _, _, metric, segment, start, up, down, *_ in rows:
        if start >= floored(newest - timedelta(days=3), HOUR_S):
            fine = start >= floored(newest - timedelta(days=1), 600)
            found[metric, segment, start if fine else floored(start, HOUR_S)] += up + 1000 * down
    return dict(found)


def floored(moment: datetime, step_s: int) -> datetime:
    """The last whole step before it."""
    return moment - timedelta(seconds=moment.timestamp() % step_s)


def stored(database: Database) -> list[Any]:
    """The metrics by key, as recount tells them."""
    wanted = (
        "SELECT project_id, model_name, model_version, metric, segment, bucket_start, numerator, denominator "
        "FROM live_metrics"
    )
    with Session(database.engine) as session:
        return [tuple(row) for row in session.execute(text(wanted))]


def test_what_is_old_is_hourly_and_what_is_older_is_gone(empty: Database, short: Settings, pepper: Pepper) -> None:
    """Nothing is lost or counted twice on the way, whatever came late or was taken back; in batches of any size."""
    append(empty, pepper, *story())
    catch_up(empty, short.model_copy(update={"stream_batch": 37}))
    found, whole = stored(empty), recount(empty, short.bucket_s)
    everything = kept(empty)
    rebuild(empty, short.model_copy(update={"stream_batch": 500}))

    assert {(*row[3:6],): row[6] + 1000 * row[7] for row in found} == sums(whole)
    assert 0 < len(found) < len(whole) / 2
    assert len(everything["live_sessions"]) > 0 and kept(empty) == everything


def test_sessions_are_kept_while_metrics_are_fine(empty: Database, short: Settings, pepper: Pepper) -> None:
    """A day of them, each with the sums of what was said in it."""
    append(empty, pepper, *story())
    catch_up(empty, short)
    wanted = "SELECT session_id, sum(denominator) FROM live_sessions WHERE metric = 'accuracy' GROUP BY 1 ORDER BY 1"
    with Session(empty.engine) as session:
        found = {name: int(count) for name, count in session.execute(text(wanted))}

    first = (DAYS - 1) * 24 * 4 - 1
    left = [n // 3 for n in range(first, DAYS * 24 * 4) if n % 7 == 0 or n % 11]
    assert found == {f"s{name}": left.count(name) for name in left}
