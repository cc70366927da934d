"""What a receiver does beside receiving: saves what quotas counted, lets old quarantined items go, tells gauges."""

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from api import meters
from api.visits import Gate
from feedback_ingest.clock import utc_now
from feedback_ingest.doors.metrics import KnownMetrics
from feedback_ingest.group_commit import GroupCommit
from feedback_ingest.postgres import Database
from feedback_ingest.quarantine import forget_older, held_by_project
from feedback_ingest.settings import Settings, shared_figures

SAVE_S = 1.0
SWEEP_ROUNDS = 60
METRICS_S = 2.5
GAUGES_S = 1.0
log = logging.getLogger("feedback.api")


async def keep_house(database: Database, commits: GroupCommit, gate: Gate, settings: Settings) -> None:
    """Runs until cancelled: quotas every second, the quarantine every minute; a database that is away is waited for."""
    rounds = 0
    while True:
        try:
            await asyncio.to_thread(gate.quotas.save)
            if rounds % SWEEP_ROUNDS == 0:
                commits.room.recount(await asyncio.to_thread(_sweep, database, settings))
        except SQLAlchemyError:
            log.warning("housekeeping waits for the database")
        rounds += 1
        await asyncio.sleep(SAVE_S)


async def keep_metrics(database: Database, metrics: KnownMetrics) -> None:
    """Runs until cancelled: what other processes registered is known here within five seconds."""
    while True:
        await asyncio.sleep(METRICS_S)
        try:
            await asyncio.to_thread(metrics.refresh, database)
        except SQLAlchemyError:
            log.warning("the registered metrics are as old as the database's absence")


async def keep_gauges(commits: GroupCommit) -> None:
    """Has one process read its gauges whenever it is asked; several write theirs down every second, until cancelled."""
    if shared_figures() is None:
        meters.WAITING.set_function(lambda: commits.waiting_events)
        meters.OVERFLOWED.set_function(lambda: commits.room.overflowed)
        return
    while True:
        meters.WAITING.set(commits.waiting_events)
        meters.OVERFLOWED.set(commits.room.overflowed)
        await asyncio.sleep(GAUGES_S)


def _sweep(database: Database, settings: Settings) -> dict[int, tuple[int, int]]:
    with Session(database.engine) as session:
        forget_older(session, settings.quarantine_days, utc_now())
        session.commit()
        return held_by_project(session)
