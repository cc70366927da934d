"""The process that follows the log: micro-batches, each with its effects and the new position in one transaction.

A second process waits for the lease and takes over when the first one ends, however it ends. What a consumer cannot
take is narrowed down to the one event, kept as a dead letter, and the stream goes on.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import Event as Flag
from typing import Any

import psycopg
from orjson import loads
from psycopg import Connection, Cursor
from psycopg.types.json import set_json_loads
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper, load_pepper
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream import positions
from feedback_loop.stream.consumers import Batch, Consumer, Event, collect
from feedback_loop.stream.dead_letters import bury, refuse_too_many
from feedback_loop.stream.garbage import Sweeper, left_to_sweeper
from feedback_loop.stream.positions import NAME
from feedback_loop.stream.reading import Reader

logger = logging.getLogger("feedback.stream")

LEASE_POLL_S = 0.5
RETRY_S = (0.1, 0.5)
"""Pauses before an event that failed alone is tried again; after the last one each consumer is tried by itself."""
# Every query is a look-up by key: a plan made while a table was small must not become a scan of a large one.
SESSION = (
    "-c timezone=UTC -c application_name=feedback-stream -c idle_in_transaction_session_timeout=30s"
    " -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c enable_bitmapscan=off"
)
AWAY = (psycopg.OperationalError, OperationalError)
"""A lost connection, as psycopg and as SQLAlchemy tell it."""
TOO_LARGE = "54"
"""The SQLSTATE class of a value that exceeds a limit: called operational too, but it is the event's fault."""


class Stream:
    """One holder of the lease: steps through the log until it is told to stop or is fenced off."""

    def __init__(self, connection: Connection[Any], settings: Settings, pepper: Pepper, reader: Reader | None = None):
        self._connection = connection
        self._engine = engine_on(connection)
        self._pepper = pepper
        self._reader = reader or Reader(self._engine, settings.stream_batch)
        self._sweeper = Sweeper()
        self._consumers: list[Consumer] = [consumer(settings) for consumer in collect().values()]
        self._epoch, self.position = positions.take_over(connection, NAME, utc_now())

    def step(self) -> int:
        """Processes the next micro-batch; how many events it held, 0 at the end of the log."""
        events = self._reader.read(self.position)
        if events:
            self._process(events)
            self._sweeper.sweep(len(events))
        return len(events)

    def _process(self, events: Sequence[Event]) -> None:
        """All of `events`, or after an error its halves apart; an event that fails alone is tried again."""
        if self._attempt(events):
            return
        if len(events) > 1:
            half = len(events) // 2
            self._process(events[:half])
            self._process(events[half:])
            return
        for pause_s in RETRY_S[:-1]:
            Flag().wait(pause_s)
            if self._attempt(events):
                return
        Flag().wait(RETRY_S[-1])
        self._commit(events, apart=True)
        refuse_too_many(self._connection, self.position)

    def _attempt(self, events: Sequence[Event]) -> bool:
        """Commits `events`, or leaves no trace; a lost connection or lease is not the events' fault, and is raised."""
        try:
            self._commit(events)
        except (*AWAY, positions.Fenced) as error:
            if not _state(error).startswith(TOO_LARGE):
                raise
        except Exception as error:  # noqa: BLE001 - whatever a consumer raises is tried again, and kept at the end
            logger.debug("%s events up to %s failed: %r", len(events), events[-1].row.log_offset, error)
        else:
            return True
        self._connection.rollback()
        return False

    def _commit(self, events: Sequence[Event], apart: bool = False) -> None:
        """Effects, position and decisions, in one transaction; the log's lock is taken last, and held shortly.

        `apart`: a consumer that fails leaves a dead letter instead of its effects, and does not keep the others.
        """
        batch, now = Batch(events), utc_now()
        with Session(self._engine) as session:
            cursor: Any = session.connection().connection.cursor()
            for consumer in self._consumers:
                if apart:
                    _apply_apart(consumer, batch, cursor, now)
                else:
                    consumer.apply(batch, cursor, now)
            positions.advance(cursor, NAME, self._epoch, self.position, batch.last_offset, now)
            log.append(session, batch.facts, now, self._pepper)
            session.commit()
        self.position = batch.last_offset


def _apply_apart(consumer: Consumer, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
    facts = len(batch.facts)
    cursor.execute("SAVEPOINT apart")
    try:
        consumer.apply(batch, cursor, now)
    except Exception as error:
        if isinstance(error, AWAY) and not _state(error).startswith(TOO_LARGE):
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT apart")
        del batch.facts[facts:]
        bury(cursor, consumer.name, batch.last_offset, error, 1 + len(RETRY_S), now)
        logger.error("%s cannot take event %s: %s", consumer.name, batch.last_offset, type(error).__name__)


def _state(error: Exception) -> str:
    """The SQLSTATE of a database's error, empty where there is none."""
    return getattr(getattr(error, "orig", error), "sqlstate", None) or ""


def engine_on(connection: Connection[Any]) -> Engine:
    """SQLAlchemy on one open connection, so that a session and a cursor share its transaction."""
    return create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)


def run(database: Database, settings: Settings, stop: Flag) -> None:
    """Follows the log until `stop` is set; waits for the lease first, and again whenever the database was away.

    Raises Poisoned when so many events cannot be taken that the program, not the events, must be at fault.
    """
    pepper = load_pepper(settings)
    while not stop.is_set():
        try:
            with psycopg.connect(database.asyncpg_dsn, options=SESSION, connect_timeout=5) as connection:
                if positions.try_lease(connection, NAME):
                    with leading(database, connection, settings, pepper) as stream:
                        _follow(database, stream, settings, stop)
                else:
                    stop.wait(LEASE_POLL_S)
        except AWAY:
            logger.warning("the database is away; trying again")
            stop.wait(LEASE_POLL_S)
        except positions.Fenced:
            logger.warning("another process has taken over")
            stop.wait(LEASE_POLL_S)


@contextmanager
def leading(database: Database, connection: Connection[Any], settings: Settings, pepper: Pepper) -> Iterator[Stream]:
    """The stream of the holder of the lease, reading ahead on a connection of its own."""
    set_json_loads(loads, connection)
    reading = Reader(engine_on(connection), settings.stream_batch, database.engine)
    with left_to_sweeper(), reading as reader:
        yield Stream(connection, settings, pepper, reader)


def _follow(database: Database, stream: Stream, settings: Settings, stop: Flag) -> None:
    poll_s, pause_s = min(settings.stream_poll_ms / 1000, positions.SILENT_S / 4), settings.stream_pause_ms / 1000
    with psycopg.connect(database.asyncpg_dsn, autocommit=True, connect_timeout=5) as listening:
        listening.execute(f"LISTEN {log.CHANNEL}")
        while not stop.is_set():
            taken = stream.step()
            if taken == 0:
                # A wake-up may be lost, and one for what was read already may wait: both only cost a look.
                next(listening.notifies(timeout=poll_s, stop_after=1), None)
            elif taken < settings.stream_batch:
                # What arrives meanwhile shares the next transaction: a batch of one costs as much as one of fifty.
                stop.wait(pause_s)


def catch_up(database: Database, settings: Settings, within_s: float = 60.0) -> int:
    """Processes everything committed so far, in this thread; the offset reached. Raises Fenced while another works."""
    until_s = monotonic_s() + within_s
    pepper = load_pepper(settings)
    with psycopg.connect(database.asyncpg_dsn, options=SESSION) as connection:
        if not positions.try_lease(connection, NAME):
            raise positions.Fenced()
        with leading(database, connection, settings, pepper) as stream:
            while stream.step() and monotonic_s() < until_s:
                pass
            return stream.position
