"""Fixtures that everything real stands on: one embedded PostgreSQL a test session, a fresh database a test module."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import migrate
from feedback_ingest.canonical import Pepper
from feedback_ingest.postgres import Database, open_database
from feedback_ingest.settings import Settings, get_settings


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The session's own PostgreSQL, migrated; other databases are copies of this one."""
    database = open_database(Settings(data_dir=tmp_path_factory.mktemp("server"), database_url=None))
    migrate.upgrade(database)
    database.close()
    administer(database, "CREATE DATABASE pristine TEMPLATE feedback ALLOW_CONNECTIONS false")
    yield database
    database.close()


def administer(server: Database, statement: str) -> None:
    """Runs a statement that may not stand in a transaction."""
    admin = Database(server._url.set(database="postgres"))
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))
    admin.close()


@pytest.fixture(scope="module")
def database(server: Database) -> Iterator[Database]:
    """A fresh, migrated database for one test module, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    administer(server, f'CREATE DATABASE "{name}" TEMPLATE pristine')
    fresh = Database(server._url.set(database=name))
    yield fresh
    fresh.close()
    administer(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """A session on the module's database."""
    with Session(database.engine) as session:
        yield session


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    """Settings that point at the module's database and a folder of the test's own."""
    return Settings(data_dir=tmp_path, database_url=database.url, pepper="pepper of the tests, long enough")


@pytest.fixture
def pepper() -> Pepper:
    """The secret of the tests."""
    return Pepper(b"pepper of the tests, long enough")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees the settings of the machine it runs on, nor those of another test."""
    for name in os.environ:
        if name.startswith("FEEDBACK_"):
            monkeypatch.delenv(name)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()
