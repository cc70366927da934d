"""When known events were first received, looked up for the answer to a duplicate."""

import asyncio
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from feedback_ingest.errors import StorageUnavailable
from feedback_ingest.postgres import Database
from feedback_ingest.tables import FeedbackEvent

LOOK_S = 3.0


async def first_received_at(database: Database, offsets: list[int]) -> dict[int, datetime]:
    """The time of receipt by offset; raises StorageUnavailable where the database does not say so in time."""
    try:
        async with asyncio.timeout(LOOK_S):
            return await asyncio.to_thread(_look, database, offsets)
    except (SQLAlchemyError, TimeoutError):
        raise StorageUnavailable() from None


def _look(database: Database, offsets: list[int]) -> dict[int, datetime]:
    wanted = select(FeedbackEvent.log_offset, FeedbackEvent.received_at).where(
        col(FeedbackEvent.log_offset).in_(offsets)
    )
    with Session(database.engine) as session:
        return {row[0]: row[1] for row in session.exec(wanted)}
