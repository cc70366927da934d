"""The asker: takes what is open, asks the sources beside the stream, and appends what they say to the log as facts.

Nothing waits for it: an answer, or that there is none, comes back to the stream by the log. One asker works at a time,
and none while the stream has not read all that stood in the log when the asker began: what was answered before is not
asked again.
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from threading import Event as Flag
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper, canonical_json, load_pepper
from feedback_ingest.clock import new_id, utc_now
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.context import CONTEXT_ANSWERED
from feedback_loop.stream.context_sources import Answers, ContextSource, Question, SourceAway
from feedback_loop.stream.contexts.sources_file import read_sources
from feedback_loop.stream.webhooks.deliverer import beside

logger = logging.getLogger("feedback.context")

LEASE = 0x636F6E74  # "cont"
AT_ONCE = 100
POLL_S, PAUSE_S = 0.25, 1.0
BACKOFF_S = (0.5, 2.0, 10.0, 30.0)
LARGEST = 16_384
"""Bytes of one answer; a larger one is missing."""

OPEN = text("""
SELECT c.project_id, p.name, c.about, c.subject, c.asked_offset, c.asked_at
FROM live_contexts c JOIN projects p USING (project_id)
WHERE c.is_open AND c.source = :source ORDER BY c.asked_offset LIMIT :limit
""")
STANDING = text("SELECT coalesce(max(log_offset), 0) FROM consumer_positions WHERE name = 'enrichment'")


class Open(NamedTuple):
    """One open question: whose, and since when."""

    project_id: int
    project: str
    about: str
    subject: dict[str, Any]
    asked_offset: int
    asked_at: datetime

    @property
    def key(self) -> tuple[int, str, int]:
        """What tells this asking of it from any other."""
        return self.project_id, self.about, self.asked_offset


class Asker:
    """Asks all of `sources`, each in a task of its own, so that a slow one delays no other; `run` it, and `stop`."""

    def __init__(self, database: Database, sources: Sequence[ContextSource], pepper: Pepper) -> None:
        self._database, self._sources, self._pepper = database, sources, pepper
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Asks nothing more; call it in the loop."""
        self._stopping.set()

    async def run(self) -> None:
        """Asks until stopped; waits for a database that is away, and for another asker to end."""
        while not self._stopping.is_set():
            try:
                await self._lead()
            except* (psycopg.OperationalError, DBAPIError):
                logger.warning("what is open waits for the database")
                await self._nap(PAUSE_S)

    async def _lead(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._database.asyncpg_dsn, autocommit=True) as connection:
            while not self._stopping.is_set():
                found = await connection.execute("SELECT pg_try_advisory_lock(%s, 0)", (LEASE,))
                if (await found.fetchone() or [False])[0]:
                    break
                await self._nap(PAUSE_S)
            head = await asyncio.to_thread(self._head)
            async with asyncio.TaskGroup() as tasks:
                for source in self._sources:
                    tasks.create_task(self._follow(source, head))

    async def _follow(self, source: ContextSource, head: int) -> None:
        told: set[tuple[int, str, int]] = set()
        failures = 0
        while not self._stopping.is_set():
            found = await asyncio.to_thread(self._open, source, head)
            told &= {each.key for each in found}
            waiting = [each for each in found if each.key not in told]
            if not waiting:
                await self._nap(POLL_S)
                continue
            answered, away = await self._asked(source, waiting)
            if answered:
                await asyncio.to_thread(self._tell, source, answered)
                told |= {each.key for each, _, _ in answered}
            failures = failures + 1 if away else 0
            if away:
                await self._nap(BACKOFF_S[min(failures, len(BACKOFF_S)) - 1])

    async def _asked(self, source: ContextSource, waiting: Sequence[Open]) -> "tuple[list[Answered], bool]":
        """What can be told of the questions of one project, and whether the source was away."""
        some = [each for each in waiting if each.project_id == waiting[0].project_id][:AT_ONCE]
        try:
            questions = [Question(each.about, each.subject) for each in some]
            answers = await source.ask(some[0].project, questions, utc_now())
        except SourceAway as error:
            late = [each for each in some if self._age_s(each) > source.options.give_up_s]
            return [(each, "", {"missing": error.reason}) for each in late], True
        except Exception:  # whatever is wrong with one source must not stop the stream
            logger.exception("the source %s failed", source.called)
            return [(each, "", {"missing": "internal"}) for each in some], True
        return [(each, answers.version, _told(answers, each)) for each in some], False

    def _age_s(self, each: Open) -> float:
        return (utc_now() - each.asked_at).total_seconds()

    def _head(self) -> int:
        with Session(self._database.engine) as session:
            return log.head(session)

    def _open(self, source: ContextSource, head: int) -> list[Open]:
        """What is open, once the stream has come to `head`."""
        with Session(self._database.engine) as session:
            if session.execute(STANDING).scalar_one() < head:
                return []
            rows = session.execute(OPEN, {"source": source.called, "limit": 2 * AT_ONCE}).all()
        return [Open(*row) for row in rows]

    def _tell(self, source: ContextSource, answered: "Sequence[Answered]") -> None:
        now = utc_now()
        facts = [
            Fact(project_id, CONTEXT_ANSWERED, str(new_id()), body, now)
            for project_id, body in bodies(source.called, answered)
        ]
        with Session(self._database.engine) as session:
            log.append(session, facts, now, self._pepper)
            session.commit()

    async def _nap(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


Answered = tuple[Open, str, Mapping[str, Any]]
"""A question, the version of what answered it, and what is told: an answer with its digest, or why it is missing."""


def bodies(source: str, answered: Sequence[Answered]) -> Iterable[tuple[int, dict[str, Any]]]:
    """One fact's body a project and version, with all that was answered there."""
    for project_id, version in sorted({(each.project_id, version) for each, version, _ in answered}):
        told = [
            {"about": each.about, "asked_offset": each.asked_offset, **answer}
            for each, of, answer in answered
            if (each.project_id, of) == (project_id, version)
        ]
        yield project_id, {"source": source, **({"version": version} if version else {}), "answers": told}


def _told(answers: Answers, question: Open) -> dict[str, Any]:
    found = answers.found.get(question.about)
    if found is None:
        return {"missing": "unknown"}
    raw = canonical_json(found)
    if len(raw) > LARGEST:
        return {"missing": "too-large"}
    return {"answer": found, "digest": hashlib.sha256(raw).hexdigest()}


def asking(database: Database, settings: Settings, stop: Flag) -> AbstractContextManager[None]:
    """Asks while the block runs, where the settings name sources; raises SetupError for a file that cannot be read."""
    sources = read_sources(settings)
    if not sources:
        return nullcontext()
    return beside(Asker(database, sources, load_pepper(settings)), stop, "context")
