"""Looking into the database from an event loop: a query in another thread, and a refusal where it is away."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from feedback_ingest.errors import StorageUnavailable
from feedback_ingest.postgres import Database

Found = TypeVar("Found")
THREADS = ThreadPoolExecutor(4, "looking")
"""Apart from the loop's own, which the door asks by: readers, however many, wait for each other and not the door."""


async def look(database: Database, query: Callable[[Session], Found]) -> Found:
    """What `query` finds, asked from another thread; raises StorageUnavailable."""

    def ask() -> Found:
        with Session(database.engine) as session:
            return query(session)

    try:
        return await asyncio.get_running_loop().run_in_executor(THREADS, ask)
    except SQLAlchemyError:
        raise StorageUnavailable() from None
