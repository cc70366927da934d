"""Endpoints and messages for the tests of webhooks, and a deliverer to carry them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_ingest.postgres import Database
from feedback_loop.learning.notices import notice
from feedback_loop.stream.webhooks import outbox
from feedback_loop.stream.webhooks.deliverer import Deliverer, beside
from feedback_loop.stream.webhooks.endpoints import Endpoints
from feedback_loop.stream.webhooks.sealing import Sealer
from feedback_loop.stream.webhooks.sending import Wire
from feedback_loop.stream.webhooks.targets import Allowed, Resolve, parse, system_resolve
from tests.stream.events import wipe
from tests.support.waiting import wait_for

LOOPBACK = Allowed.read("127.0.0.0/8, localhost")
NOON = datetime.fromisoformat("2026-05-01T12:00:00+00:00")


class Clock:
    """The wall clock, moved ahead by a test that does not wait for days."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@contextmanager
def endpoints(database: Database, pepper: Pepper) -> Iterator[Endpoints]:
    """What an administrator of the project `default` may do; committed at the end."""
    with Session(database.engine, expire_on_commit=False) as session:
        yield Endpoints(session, Sealer(pepper), Decider("a-key", pepper), 1, utc_now())
        session.commit()


def endpoint(
    database: Database, pepper: Pepper, url: str, *types: str, format: str = "standard", allowed: Allowed = LOOPBACK
) -> tuple[str, str]:
    """A new endpoint for the types, all by default: its id and its secret."""
    with endpoints(database, pepper) as mine:
        made, secret = mine.create(parse(url, allowed), types or ("*",), format, "")
        return made.endpoint_id, secret


def wipe_all(database: Database) -> None:
    """Empties the log, everything read from it, the routes, and the endpoints with their messages."""
    wipe(database)
    tables = ("routes", "webhook_attempts", "webhook_messages", "webhook_secrets", "webhook_endpoints")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("; ".join(f"DELETE FROM {table}" for table in tables))


def put_out(database: Database, *names: str, event_type: str = "metric.breached") -> None:
    """Messages in the outbox, as the stream puts them there."""
    told = [notice(1, event_type, name, {"reason": name}, NOON) for name in names]
    with Session(database.engine) as session:
        cursor: Any = session.connection().connection.cursor()
        outbox.tell(cursor, told, utc_now())
        session.commit()


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    """What the database says."""
    with database.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def states(database: Database) -> list[str]:
    """The states of all messages."""
    return [state for (state,) in rows(database, "SELECT state FROM webhook_messages ORDER BY created_at, message_id")]


@contextmanager
def delivering(
    database: Database,
    pepper: Pepper,
    clock: Callable[[], datetime] = utc_now,
    resolve: Resolve = system_resolve,
    wire: Wire | None = None,
) -> Iterator[None]:
    """A deliverer in a thread of this process that may reach loopback."""
    wire = wire or Wire(LOOPBACK, resolve=resolve)
    worker = Deliverer(database.asyncpg_dsn, wire, pepper, timedelta(days=30), clock, chance=lambda: 0.5)
    with beside(worker, threading.Event()):
        yield


def attempts(database: Database) -> list[tuple[Any, ...]]:
    """Every attempt's number, status and error, in order."""
    return rows(database, "SELECT number, status, error FROM webhook_attempts ORDER BY attempt_id")


def delivered(database: Database, count: int = 1) -> None:
    """Returns once so many messages are delivered."""
    wait_for(lambda: states(database).count("delivered") == count, what=f"{count} deliveries")
