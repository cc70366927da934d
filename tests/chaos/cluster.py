"""A PostgreSQL that tests crash, freeze, hold at any step of a transaction, and start again."""

import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg
from sqlalchemy import text

from feedback_ingest import migrate
from feedback_ingest.postgres import Database, open_database
from feedback_ingest.postmaster import bury
from feedback_ingest.settings import Settings
from tests.support.waiting import wait_for

T = TypeVar("T")
STEPS = ("before_keys", "before_rows", "before_head", "before_commit")
"""Places inside the one transaction that writes the log; at each the backend can be held by `Cluster.holding`."""

LOCK = 0x63616F73
TRIGGERS = """
CREATE FUNCTION staging.step() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN PERFORM pg_advisory_xact_lock_shared({lock}, TG_ARGV[0]::int); RETURN NEW; END$$;
CREATE TRIGGER a_step BEFORE INSERT ON staging.event_keys FOR EACH ROW EXECUTE FUNCTION staging.step('0');
CREATE TRIGGER a_step BEFORE INSERT ON staging.feedback_events FOR EACH ROW EXECUTE FUNCTION staging.step('1');
CREATE TRIGGER a_step BEFORE UPDATE ON staging.log_head FOR EACH ROW EXECUTE FUNCTION staging.step('2');
CREATE CONSTRAINT TRIGGER z_step AFTER INSERT ON staging.event_keys DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION staging.step('3');
"""
WAITING = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND NOT granted"


class Cluster:
    """One PostgreSQL of its own in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "postgres"
        self._first = open_database(Settings(data_dir=folder, database_url=None))
        self._server = self._first._server
        migrate.upgrade(self._first)
        self._first.close()
        # Left alone, it writes what nobody waits for within 0.6 s; a crash must find the difference each time.
        self.run(
            "CREATE DATABASE pristine TEMPLATE feedback ALLOW_CONNECTIONS false",
            "ALTER SYSTEM SET wal_writer_delay = '10s'",
            "ALTER SYSTEM SET wal_writer_flush_after = '1GB'",
            "SELECT pg_reload_conf()",
        )

    def connect(self, name: str = "postgres") -> psycopg.Connection[Any]:
        """A connection that commits each statement."""
        return psycopg.connect(Database(self._first._url.set(database=name)).asyncpg_dsn, autocommit=True)

    def run(self, *statements: str) -> None:
        """Runs statements as the superuser, each for itself."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement)

    def fresh(self) -> Database:
        """A new, migrated database."""
        name = f"chaos_{uuid.uuid4().hex[:12]}"
        self.run(f'CREATE DATABASE "{name}" TEMPLATE pristine')
        return Database(self._first._url.set(database=name))

    def drop(self, database: Database) -> None:
        """The end of a fresh one."""
        database.close()
        self.run(f'DROP DATABASE "{database._url.database}" WITH (FORCE)')

    def processes(self) -> list[psutil.Process]:
        """The postmaster and, after it, its children."""
        postmaster = psutil.Process(int((self.folder / "postmaster.pid").read_text().split()[0]))
        return [postmaster, *postmaster.children(recursive=True)]

    def crash(self) -> None:
        """As by `pg_ctl stop -m immediate`: nothing is flushed; returns when every process is gone."""
        processes = self.processes()
        processes[0].send_signal(signal.SIGQUIT)
        wait_for(lambda: not any(map(_lives, processes)), 20, "PostgreSQL to be gone")
        bury(self.folder)

    def start(self) -> None:
        """Returns when it takes connections again."""
        self._server.ensure_postgres_running()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process stands still meanwhile."""
        processes = self.processes()
        try:
            for process in processes:
                process.suspend()
            yield
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def close(self) -> None:
        """Stops it."""
        self._server.cleanup()

    @contextmanager
    def holding(self, database: Database, step: str) -> Iterator[int]:
        """The pid of a backend that stands at `step` of a commit for as long as the block lasts."""
        with self.holding_first(database, step, lambda: None) as (_, pid):
            yield pid

    @contextmanager
    def holding_first(self, database: Database, step: str, begin: Callable[[], T]) -> Iterator[tuple[T, int]]:
        """The same, for what `begin` begins once the step is guarded; its result comes with the pid."""
        place = STEPS.index(step)
        with self.connect(str(database._url.database)) as holder, self.connect() as watcher:
            holder.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK, place])
            begun = begin()
            held: list[int] = []

            def is_held() -> bool:
                held[:] = [pid for (pid,) in watcher.execute(WAITING, [LOCK])]
                return bool(held)

            wait_for(is_held, 20, f"a commit at {step}")
            yield begun, held[0]

    @contextmanager
    def committed(self, database: Database) -> Iterator[int]:
        """The pid of a backend whose commit is on disk and that says so to nobody: it waits for a standby."""
        standing = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = %s"
        self.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
        try:
            with self.connect() as watcher:
                held: list[int] = []

                def is_held() -> bool:
                    held[:] = [pid for (pid,) in watcher.execute(standing, [database._url.database])]
                    return bool(held)

                wait_for(is_held, 20, "a commit that is not told")
                yield held[0]
        finally:
            self.run("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")


def add_steps(database: Database) -> None:
    """Makes the steps of a commit places where it can be held."""
    with database.engine.begin() as connection:
        connection.execute(text(TRIGGERS.format(lock=LOCK)))


def forget_duplicates(database: Database) -> None:
    """The planted bug: a log that does not know what it has."""
    honest = migrate.sql("append_events")
    planted = honest.replace(") known ON true", ") known ON false")
    assert planted != honest
    same_group = "min(u.ord) OVER (PARTITION BY u.project_id, u.kind, u.id) AS first_ord"
    assert same_group in honest
    planted = planted.replace(same_group, "u.ord AS first_ord")
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE staging.event_keys DROP CONSTRAINT event_keys_pkey"))
        connection.exec_driver_sql(planted.replace("%", "%%"))


def end_backend(pid: int, cluster: Cluster) -> None:
    """Ends a backend and waits until it is gone, so that what it did is decided."""
    with cluster.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [pid])
        gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"

        def is_gone() -> bool:
            row = connection.execute(gone, [pid]).fetchone()
            return row is not None and row[0] == 0

        wait_for(is_gone, 10, "the backend to end")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
