"""When known events were first received, looked up for the answer to a duplicate."""

import asyncio
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from feedback_ingest.errors import StorageUnavailable
from feedback_ingest.postgres import Database

LOOK_S = 3.0
WANTED = text(
    "SELECT log_offset, received_at FROM staging.known_events WHERE log_offset = ANY(CAST(:offsets AS bigint[]))"
)


async def first_received_at(database: Database, offsets: list[int]) -> dict[int, datetime]:
    """The time of receipt by offset; raises StorageUnavailable where the database does not say so in time."""
    try:
        async with asyncio.timeout(LOOK_S):
            return await asyncio.to_thread(_look, database, offsets)
    except (SQLAlchemyError, TimeoutError):
        raise StorageUnavailable() from None


def _look(database: Database, offsets: list[int]) -> dict[int, datetime]:
    with Session(database.engine) as session:
        return {row.log_offset: row.received_at for row in session.execute(WANTED, {"offsets": offsets})}
