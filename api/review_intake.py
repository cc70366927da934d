"""Opening what the stream sends to review: a part of the app that waits for it, since stream and review do not meet."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ClassVar

from fastapi import APIRouter, FastAPI
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from api.listening import ANSWER_S, Listener, listening
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_ingest.postgres import Database
from feedback_loop.review.intake import BY_POLICIES, Sources, take_in
from feedback_loop.review.queues import ProjectQueues
from feedback_loop.stream.flagging import flags
from feedback_loop.stream.flagging.flags import CHANNEL
from feedback_loop.stream.routing import candidates

WAITING = """
SELECT p.project_id FROM projects p LEFT JOIN review_intake i ON i.project_id = p.project_id
WHERE EXISTS (SELECT FROM review_flags f
              WHERE f.project_id = p.project_id AND f.flagged_offset > coalesce(i.flagged_offset, 0))
   OR EXISTS (SELECT FROM review_candidates c
              WHERE c.project_id = p.project_id AND c.routed_offset > coalesce(i.routed_offset, 0))
"""
log = logging.getLogger("feedback.api")


def open_new(session: Session, project_id: int, pepper: Pepper, waits: bool = False) -> int:
    """Opens what routes and policies sent to review since the last time, in a transaction of its own; how many.

    Another process may be at it: with `waits` it is done when this returns.
    """
    mine = (session, project_id)
    sources = Sources(partial(candidates.newly, *mine), partial(flags.newly, *mine))
    queues, decider = ProjectQueues(session, project_id), Decider(BY_POLICIES, pepper)
    count = take_in(session, queues, sources, decider, utc_now(), waits)
    session.commit()
    return count


class ReviewIntake(Listener):
    """Opens items as they are flagged or routed; of several processes one does, and the others find nothing left."""

    name: ClassVar[str] = "feedback review intake"
    channel: ClassVar[str] = CHANNEL

    def __init__(self, database: Database, pepper: Pepper) -> None:
        super().__init__(database.asyncpg_dsn)
        self._database, self._pepper = database, pepper

    def close(self) -> None:
        """Nobody waits here."""
        self.closing.set()

    async def look(self, connection: Any) -> None:
        """Opens what there is in every project."""
        for (project_id,) in await connection.fetch(WAITING, timeout=ANSWER_S):
            count = 1
            while count and not self.closing.is_set():
                count = await asyncio.to_thread(self._open, project_id)

    def _open(self, project_id: int) -> int:
        try:
            with Session(self._database.engine) as session:
                return open_new(session, project_id, self._pepper)
        except SQLAlchemyError as error:
            log.warning("items for review wait: %s", type(error).__name__)
            return 0


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keeps it at work while the app is up."""
    receiving = app.state.receiving
    async with listening(ReviewIntake(receiving.database, receiving.door.intake.receiver.pepper)):
        yield


router = APIRouter(lifespan=lifespan)
