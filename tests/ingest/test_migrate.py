"""The database, the classes and the migrations are one thing."""

import importlib
import pkgutil

import pytest
from sqlalchemy import text
from sqlmodel import Session, SQLModel

from feedback_ingest import log, migrate
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.errors import DatabaseUnavailable, DataDirMismatch, SchemaMismatch
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database, open_database
from feedback_ingest.settings import Settings


def import_every_table() -> None:
    """Imports each `tables` module of each room, so that SQLModel.metadata is complete."""
    import feedback_ingest
    import feedback_loop

    for package in (feedback_ingest, feedback_loop):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if found.name.endswith(".tables"):
                importlib.import_module(found.name)


def test_migrations_make_exactly_the_models(database: Database) -> None:
    """Nothing would be changed to make the migrated database equal to the SQLModel classes."""
    import_every_table()

    assert migrate.difference(database, SQLModel.metadata) == []


def test_a_forgotten_column_would_be_found(database: Database, session: Session) -> None:
    """The planted bug: a database that lacks a column is not equal."""
    import_every_table()
    session.execute(text("ALTER TABLE staging.quarantined_items DROP COLUMN status"))
    session.commit()

    found = migrate.difference(database, SQLModel.metadata)

    session.execute(text("ALTER TABLE staging.quarantined_items ADD COLUMN status text NOT NULL"))
    session.commit()
    assert "add_column" in str(found)


def test_an_older_database_is_upgraded_with_what_it_holds(server: Database, pepper: Pepper) -> None:
    """A log written at the first revision is there, and writable, at the newest."""
    older = server.sibling("older")
    migrate.upgrade(older, "0001")
    with pytest.raises(SchemaMismatch, match="feedback migrate"):
        migrate.check(older)
    with Session(older.engine) as session:
        log.append(session, [Fact(1, "feedback", "old", {"a": 1}, utc_now())], utc_now(), pepper)
        session.commit()

    migrate.upgrade(older)

    migrate.check(older)
    with Session(older.engine) as session:
        log.append(session, [Fact(1, "feedback", "new", {"a": 1}, utc_now())], utc_now(), pepper)
        assert [row.id for row in log.read(session, 0, 10)] == ["old", "new"]
    older.close()


def test_a_newer_database_is_left_alone(server: Database) -> None:
    """An old program says so instead of guessing at a schema it does not know."""
    newer = server.sibling("newer")
    migrate.upgrade(newer)
    with newer.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    for attempt in (migrate.check, migrate.upgrade):
        with pytest.raises(SchemaMismatch, match="update the program"):
            attempt(newer)
    newer.close()


def test_another_pepper_is_noticed(server: Database, pepper: Pepper) -> None:
    """Two peppers on one log would split every person in two."""
    database = server.sibling("peppered")
    migrate.upgrade(database)
    migrate.remember_pepper(database, pepper)

    with pytest.raises(SchemaMismatch, match="FEEDBACK_PEPPER"):
        migrate.remember_pepper(database, Pepper(b"another"))
    database.close()


@pytest.mark.parametrize("url", ["nonsense", "mysql://a/b", "postgresql://nobody@127.0.0.1:1/none"])
def test_an_unusable_url_is_told_in_one_line(url: str) -> None:
    """What is wrong and what to set, without a stack."""
    with pytest.raises(DatabaseUnavailable) as told:
        open_database(Settings(database_url=url))

    assert "FEEDBACK_DATABASE_URL" in told.value.detail
    assert "\n" not in told.value.detail


def test_a_cluster_of_another_postgres_is_left_alone(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """The embedded server does not touch what another major version wrote."""
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("12\n")

    with pytest.raises(DataDirMismatch, match="FEEDBACK_DATA_DIR"):
        open_database(Settings(data_dir=tmp_path))
