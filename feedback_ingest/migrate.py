"""Brings a database to this program's schema, and tells when the two do not fit."""

import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import OperationalError

from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import monotonic_s
from feedback_ingest.errors import SchemaMismatch
from feedback_ingest.postgres import Database

FOLDER = Path(__file__).parent / "migrations"
LOCK = 0x6665656462  # "feedb": one migration at a time, whoever starts first

LOCK_NOT_AVAILABLE = "55P03"
PATIENCE_S = 120.0
PAUSE_S = 1.0


def sql(name: str) -> str:
    """The text of a named SQL file of the migrations."""
    return (FOLDER / "sql" / f"{name}.sql").read_text()


def upgrade(database: Database, revision: str = "head") -> None:
    """Migrates `database` to `revision`; safe to call from many processes at once; raises SchemaMismatch."""
    with database.engine.connect() as connection:
        if _current(connection) == newest():
            return
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        connection.commit()
        try:
            _refuse_newer(connection)
            _run(connection, revision)
        finally:
            connection.rollback()
            connection.execute(text("RESET lock_timeout"))
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
            connection.commit()


def _run(connection: Connection, revision: str) -> None:
    """Migrates in one transaction, again and again while a table is in long use: nobody may queue behind the wait."""
    connection.execute(text("SET lock_timeout = '1s'"))
    connection.commit()
    ends_s = monotonic_s() + PATIENCE_S
    while True:
        try:
            command.upgrade(_config(connection), revision)
            connection.commit()
            return
        except OperationalError as error:
            connection.rollback()
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE or monotonic_s() > ends_s:
                raise
            time.sleep(PAUSE_S)


def check(database: Database) -> None:
    """Raises SchemaMismatch unless `database` stands at this program's newest revision."""
    with database.engine.connect() as connection:
        current = _current(connection)
        _refuse_newer(connection)
    if current != newest():
        raise SchemaMismatch(f"the database is at schema {current or 'none'}, not {newest()}; run `feedback migrate`")


def remember_pepper(database: Database, pepper: Pepper) -> None:
    """Ties the log to its pepper; raises SchemaMismatch when it was written with another one."""
    with database.engine.begin() as connection:
        if connection.execute(text("SELECT count(*) FROM projects WHERE pepper_check IS NULL")).scalar():
            connection.execute(
                text("UPDATE projects SET pepper_check = :check WHERE pepper_check IS NULL"), {"check": pepper.check()}
            )
        others = text("SELECT count(*) FROM projects WHERE pepper_check <> :check")
        if connection.execute(others, {"check": pepper.check()}).scalar():
            raise SchemaMismatch("the log was written with another pepper; set FEEDBACK_PEPPER or the data_dir it used")


def newest() -> str:
    """The newest revision this program knows."""
    return str(ScriptDirectory(str(FOLDER)).get_current_head())


def difference(database: Database, metadata: MetaData) -> list[object]:
    """What Alembic would still change to make `database` equal to `metadata`; empty when they agree."""
    from alembic.autogenerate import compare_metadata

    with database.engine.connect() as connection:
        options = {"include_schemas": True, "include_object": _is_ours, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def _is_ours(thing: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    return not (kind == "table" and reflected and str(name).startswith(("feedback_events_from_", "alembic_version")))


def _current(connection: Connection) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    return revision


def _refuse_newer(connection: Connection) -> None:
    current = _current(connection)
    known = {script.revision for script in ScriptDirectory(str(FOLDER)).walk_revisions()}
    if current is not None and current not in known:
        raise SchemaMismatch(f"the database is at schema {current}, newer than this program; update the program")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    return config
