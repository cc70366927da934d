"""The receiver's composition root: puts the door together when the server starts and takes it down when it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from api import meters
from api.buffered import Buffered
from api.first_receipts import first_received_at
from api.grpc_door.listening import listening
from api.housekeeping import keep_gauges, keep_house, keep_metrics
from api.receiver.door import Door
from api.receiver.keyring import Keyring
from api.visits import Gate
from feedback_ingest import migrate
from feedback_ingest.canonical import load_pepper
from feedback_ingest.clock import monotonic_s, new_id, utc_now
from feedback_ingest.doors.metrics import KnownMetrics
from feedback_ingest.feedback_types import collect
from feedback_ingest.group_commit import GroupCommit
from feedback_ingest.intake import Intake
from feedback_ingest.postgres import Database, open_database
from feedback_ingest.quotas import Quotas
from feedback_ingest.rate_limits import Buckets
from feedback_ingest.receive import Receiver
from feedback_ingest.settings import Settings


@dataclass(frozen=True, slots=True)
class Receiving:
    """What the routes share: the database for reads, the door for writes."""

    database: Database
    door: Door
    metrics: KnownMetrics


@asynccontextmanager
async def receiving(settings: Settings) -> AsyncIterator[Receiving]:
    """Opens the database and the group commit; at the end everything submitted is committed before it closes.

    The data directory's own database is migrated here; a given one must be migrated already (SchemaMismatch).
    """
    database = open_database(settings)
    if settings.database_url is None:
        migrate.upgrade(database)
    migrate.check(database)
    migrate.remember_pepper(database, pepper := load_pepper(settings))
    commits = GroupCommit(
        database.asyncpg_dsn,
        events=settings.queue_events,
        bytes_=settings.queue_bytes,
        age_s=settings.queue_age_s,
        quarantine_rows=settings.quarantine_rows,
        quarantine_bytes=settings.quarantine_bytes,
        clock=monotonic_s,
    )
    gate = Gate(Buckets(1 / settings.api_workers), Quotas(database, utc_now), settings)
    metrics = KnownMetrics()
    metrics.refresh(database)
    works = (keep_house(database, commits, gate, settings), keep_metrics(database, metrics), keep_gauges(commits))
    tasks = [asyncio.create_task(work) for work in (commits.run(), *works)]
    door = _door(settings, database, commits, gate, Receiver(collect(), pepper, new_id, metrics.fault_of))
    try:
        async with listening(settings, database, door):
            yield Receiving(database, door, metrics)
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(commits.drain(), settings.commit_deadline_s)
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(gate.quotas.save)
        await commits.close()
        database.close()


def _door(settings: Settings, database: Database, commits: GroupCommit, gate: Gate, receiver: Receiver) -> Door:
    return Door(
        settings=settings,
        keyring=Keyring(database, utc_now, monotonic_s),
        intake=Intake(
            receiver=receiver,
            commits=commits,
            max_event_bytes=settings.max_event_bytes,
            first_received_at=partial(first_received_at, database),
            count=meters.count,
        ),
        gate=gate,
        buffered=Buffered(settings.buffered_bytes),
        now=utc_now,
        monotonic_s=monotonic_s,
    )
