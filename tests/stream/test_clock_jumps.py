"""The stream's wall clock jumps (failure test 13, at the stream): nothing that is counted or told depends on it."""

from datetime import datetime, timedelta
from itertools import cycle
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream import process
from feedback_loop.stream.consumers import alerts
from feedback_loop.stream.consumers import rolling_metrics as rolling
from tests.stream.events import NOON, append, inference, tables, truth, wipe

JUMPS_S = (0, -3_600, 3_600, 10, 20, 30, -86_400)


def followed(database: Database, settings: Settings, pepper: Pepper) -> tuple[Any, Any]:
    """The tables and the alerts' names after a fall that comes in many batches."""
    wipe(database)
    for n in range(200):
        said = truth(f"t{n}", f"i{n}", 3 if n < 100 else 4, second=n // 4)
        append(database, pepper, inference(f"i{n}", second=n // 4), said, at=NOON + timedelta(seconds=60))
    process.catch_up(database, settings.model_copy(update={"stream_batch": 20}))
    with Session(database.engine) as session:
        told = session.execute(text("SELECT alert_id FROM alerts ORDER BY 1")).scalars().all()
    return tables(database), told


@pytest.mark.parametrize("by_wall", [False, True])
def test_a_jumping_clock_changes_nothing(
    database: Database, settings: Settings, pepper: Pepper, monkeypatch: pytest.MonkeyPatch, by_wall: bool
) -> None:
    """Hours back and ahead, ten seconds at a time: the same sums, the same alerts under the same names.

    The bug planted, windows by the wall clock, is found.
    """
    steady = followed(database, settings, pepper)
    jumps = cycle(JUMPS_S)

    def jumping() -> datetime:
        return utc_now() + timedelta(seconds=next(jumps))

    monkeypatch.setattr(process, "utc_now", jumping)
    if by_wall:
        monkeypatch.setattr(rolling, "bucket_start", lambda moment, bucket_s: alerts.bucket_start(jumping(), bucket_s))
        monkeypatch.setattr(rolling, "event_time", lambda row: jumping())

    assert (followed(database, settings, pepper) == steady) != by_wall
    assert len(steady[1]) == 1
