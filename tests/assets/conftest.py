"""Fixtures of the graph's tests: a world with a database, a lake and a Dagster of its own."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import text

from feedback_assets.sensors import signals
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from tests.api.conftest import Client
from tests.assets.world import World, key_of


@pytest.fixture
def database(server: Database) -> Iterator[Database]:
    """A fresh, migrated database for each test: offsets start at 1."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = Database(server._url.set(database="postgres"))
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE pristine'))
    fresh = Database(server._url.set(database=name))
    yield fresh
    fresh.close()
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.close()


@pytest.fixture
def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world without events, where no tick waits for the next one."""
    monkeypatch.setattr(signals, "WAIT_S", 0.0)
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(database, tmp_path, instance)


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """The API over the world's database and data directory."""
    from api.app import create_whole_app
    from api.receiver import thin

    settings = Settings(data_dir=world.data_dir, database_url=world.database.url, grpc=False)
    opened = Client(thin(create_whole_app(settings)), world.data_dir)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def key(world: World) -> str:
    """A key that may do everything in the project `default`."""
    return key_of(world, "default")
