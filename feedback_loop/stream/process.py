"""The process that follows the log: micro-batches, each with its effects and the new places in one transaction.

A second process waits for the lease and takes over when the first one ends, however it ends. What a consumer cannot
take is narrowed down to the one event, kept as a dead letter, and the stream goes on.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
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
from feedback_ingest.errors import SetupError
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream import counters, passages, positions
from feedback_loop.stream.consumers import Batch, Event, collect
from feedback_loop.stream.dead_letters import bury, refuse_too_many
from feedback_loop.stream.forgetting import forget
from feedback_loop.stream.garbage import Sweeper, left_to_sweeper
from feedback_loop.stream.groups import Turn, chosen, elsewhere, next_turn, together
from feedback_loop.stream.limits import limited
from feedback_loop.stream.reading import Reader
from feedback_loop.stream.waits import TIME_PASSED

logger = logging.getLogger("feedback.stream")

LEASE_POLL_S = 0.5
TELL_TIME_S = 1.0
"""An idle stream looks so often for what is due."""
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
    """The holder of the leases of `names` (default: all): steps through the log until told to stop or fenced off."""

    def __init__(
        self,
        connection: Connection[Any],
        settings: Settings,
        pepper: Pepper,
        reader: Reader | None = None,
        names: Sequence[str] = (),
    ):
        self._connection = connection
        self._engine = engine_on(connection)
        self._pepper = pepper
        self._reader = reader or Reader(self._engine, settings.stream_batch)
        self._sweeper = Sweeper()
        self._consumers = {name: consumer(settings) for name, consumer in collect().items()}
        names = names or chosen()
        self._elsewhere = elsewhere(names)
        found = positions.take_over(connection, names, utc_now())
        self._standings = together(found)
        positions.place(connection, {name: at for name, at in self._standings.items() if at != found[name]})

    @property
    def position(self) -> int:
        """Up to here all its consumers have been."""
        return min(standing.log_offset for standing in self._standings.values())

    def step(self) -> int:
        """Processes the next micro-batch; how many events it held, 0 where there is none or others come first."""
        turn = next_turn(self._standings, positions.places(self._connection, self._elsewhere))
        events = self._reader.read(turn.after, turn.upto) if turn else []
        if turn and events:
            began_s = monotonic_s()
            self._process(turn, events)
            counters.BATCH.observe(monotonic_s() - began_s)
            counters.EVENTS.inc(len(events))
            self._sweeper.sweep(len(events))
        return len(events)

    def tell_time(self, now: datetime) -> bool:
        """Tells the log that time has passed, where something is due and no event has told so; whether it did.

        What is over is decided as the log is read, so that a rebuild decides alike.
        """
        with Session(self._engine) as session:
            cursor: Any = session.connection().connection.cursor()
            found = [due for name in self._standings if (due := self._consumers[name].next_due(cursor)) is not None]
            facts = [Fact(due.project_id, TIME_PASSED, due.at.isoformat(), {}, now) for due in found if due.at <= now]
            log.append(session, facts[:1], now, self._pepper)
            session.commit()
        return bool(facts)

    def _process(self, turn: Turn, events: Sequence[Event], again: bool = False) -> None:
        """All of `events`, or after an error its halves apart; an event that fails alone is tried again."""
        if self._attempt(turn, events, again):
            return
        if len(events) > 1:
            half = len(events) // 2
            self._process(turn, events[:half], again=True)
            self._process(turn, events[half:], again=True)
            return
        for pause_s in RETRY_S[:-1]:
            Flag().wait(pause_s)
            if self._attempt(turn, events, again=True):
                return
        Flag().wait(RETRY_S[-1])
        self._commit(turn, events, again=True, apart=True)
        refuse_too_many(self._connection, turn.names, events[-1].row.log_offset)

    def _attempt(self, turn: Turn, events: Sequence[Event], again: bool) -> bool:
        """Commits `events`, or leaves no trace; a lost connection or lease is not the events' fault, and is raised."""
        try:
            self._commit(turn, events, again)
        except (*AWAY, positions.Fenced) as error:
            if not _state(error).startswith(TOO_LARGE):
                raise
        except Exception as error:  # noqa: BLE001 - whatever a consumer raises is tried again, and kept at the end
            logger.debug("%s events up to %s failed: %r", len(events), events[-1].row.log_offset, error)
        else:
            return True
        self._connection.rollback()
        return False

    def _commit(self, turn: Turn, events: Sequence[Event], again: bool, apart: bool = False) -> None:
        """Effects, places and decisions, in one transaction; the log's lock is taken last, and held shortly.

        `again`: they were part of a batch that failed. `apart`: a consumer that fails leaves a dead letter instead of
        its effects, and does not keep the others.
        """
        batch, now = Batch(events), utc_now()
        with Session(self._engine) as session:
            batch.session = session
            cursor: Any = session.connection().connection.cursor()
            if apart:
                for name, does in self._doing(turn, batch, cursor, now):
                    _do_apart(name, does, batch, cursor, now)
            else:
                with limited(len(events), again):
                    for _, does in self._doing(turn, batch, cursor, now):
                        does()
            moving = {name: self._standings[name] for name in turn.names}
            moved = positions.advance(cursor, moving, batch.last_offset, now)
            passages.note(cursor, turn.names, batch.first_offset, batch.last_offset, utc_now())
            log.append(session, batch.facts, now, self._pepper)
            session.commit()
        self._standings |= moved

    def _doing(
        self, turn: Turn, batch: Batch, cursor: Cursor[Any], now: datetime
    ) -> Iterator[tuple[str, Callable[[], None]]]:
        """What each consumer has to do, in their order: take the batch, or tell what it found in it earlier.

        Meanwhile the batch is as new as it is to that consumer.
        """
        for name, consumer in self._consumers.items():
            if name in turn.recalled:
                yield name, partial(consumer.recall, batch, cursor)
            elif name in turn.names:
                batch.is_replay = batch.last_offset <= self._standings[name].decided_offset
                yield name, partial(consumer.apply, batch, cursor, now)


def _do_apart(name: str, does: Callable[[], None], batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
    facts = len(batch.facts)
    cursor.execute("SAVEPOINT apart")
    try:
        with limited(1, again=True):
            does()
    except Exception as error:
        if isinstance(error, AWAY) and not _state(error).startswith(TOO_LARGE):
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT apart")
        del batch.facts[facts:]
        bury(cursor, name, batch.last_offset, error, 1 + len(RETRY_S), now)
        logger.error("%s cannot take event %s: %s", name, batch.last_offset, type(error).__name__)


def _state(error: Exception) -> str:
    """The SQLSTATE of a database's error, empty where there is none."""
    return getattr(getattr(error, "orig", error), "sqlstate", None) or ""


def engine_on(connection: Connection[Any]) -> Engine:
    """SQLAlchemy on one open connection, so that a session and a cursor share its transaction."""
    return create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)


def run(database: Database, settings: Settings, stop: Flag, only: Sequence[str] = (), anew: bool = False) -> None:
    """Follows the log as the consumers of `only` (default: all) until `stop` is set; `anew`: from its first event.

    Waits for their leases first, and again whenever the database was away. Raises SetupError where they cannot work by
    themselves, and Poisoned when so many events cannot be taken that the program, not the events, must be at fault.
    """
    names = chosen(only)
    while not stop.is_set():
        try:
            with leading(database, settings, names, anew) as stream:
                anew = False
                _follow(database, stream, settings, stop)
        except AWAY:
            logger.warning("the database is away; trying again")
            stop.wait(LEASE_POLL_S)
        except positions.Fenced:
            logger.debug("another process works")
            stop.wait(LEASE_POLL_S)


@contextmanager
def leading(database: Database, settings: Settings, names: Sequence[str] = (), anew: bool = False) -> Iterator[Stream]:
    """The stream as the holder of the leases of `names` (default: all), reading ahead on a connection of its own.

    `anew`: it stands before the first event, with empty tables. Raises Fenced while another process holds a lease.
    """
    names = names or chosen()
    with psycopg.connect(database.asyncpg_dsn, options=SESSION, connect_timeout=5) as connection:
        refuse_standby(connection)
        if not positions.try_lease(connection, names):
            raise positions.Fenced()
        if anew:
            forget(connection, names, utc_now())
        set_json_loads(loads, connection)
        reading = Reader(engine_on(connection), settings.stream_batch, database.engine)
        with left_to_sweeper(), reading as reader:
            yield Stream(connection, settings, load_pepper(settings), reader, names)


def refuse_standby(connection: Connection[Any]) -> None:
    """Raises SetupError where nothing can be written."""
    if connection.info.parameter_status("in_hot_standby") == "on":
        raise SetupError("the stream writes, and FEEDBACK_DATABASE_URL is a standby: give it the primary's address")


def _follow(database: Database, stream: Stream, settings: Settings, stop: Flag) -> None:
    poll_s, pause_s = min(settings.stream_poll_ms / 1000, positions.SILENT_S / 4), settings.stream_pause_ms / 1000
    told_s = monotonic_s()
    with psycopg.connect(database.asyncpg_dsn, autocommit=True, connect_timeout=5) as listening:
        listening.execute(f"LISTEN {log.CHANNEL}")
        while not stop.is_set():
            taken = stream.step()
            if taken == 0:
                if monotonic_s() - told_s >= TELL_TIME_S:
                    told_s = monotonic_s()
                    stream.tell_time(utc_now())
                # A wake-up may be lost, and one for what was read already may wait: both only cost a look.
                next(listening.notifies(timeout=poll_s, stop_after=1), None)
            elif taken < settings.stream_batch:
                # What arrives meanwhile shares the next transaction: a batch of one costs as much as one of fifty.
                stop.wait(pause_s)


def catch_up(database: Database, settings: Settings, only: Sequence[str] = (), within_s: float = 60.0) -> int:
    """Processes everything committed so far, in this thread; the offset reached. Raises Fenced while another works."""
    until_s = monotonic_s() + within_s
    with leading(database, settings, chosen(only)) as stream:
        while stream.step() and monotonic_s() < until_s:
            pass
        return stream.position
