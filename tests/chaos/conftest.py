"""One PostgreSQL for all failure tests, and for each test a database and receivers that are gone after it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from tests.api.conftest import PEPPER, Client
from tests.chaos.cluster import Cluster
from tests.chaos.doors import Door
from tests.chaos.streams import Follower, MakeFollower

MakeDoor = Callable[..., Door]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A PostgreSQL that may be crashed."""
    made = Cluster(tmp_path_factory.mktemp("chaos"))
    yield made
    made.close()


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    """A fresh database of that PostgreSQL for one test."""
    fresh = cluster.fresh()
    yield fresh
    cluster.drop(fresh)


@pytest.fixture
def make_door(database: Database, tmp_path: Path) -> Iterator[MakeDoor]:
    """Starts receivers on the test's database; `plant` names their faults."""
    made: list[Door] = []

    def make(plant: str = "failpoints", **settings: object) -> Door:
        door = Door(database.asyncpg_dsn, tmp_path / f"door-{len(made)}", plant, **settings)
        made.append(door)
        return door.start()

    yield make
    for door in made:
        door.close()


@pytest.fixture
def make_follower(database: Database, tmp_path: Path) -> Iterator[MakeFollower]:
    """Starts streams on the test's database; `plant` names their faults."""
    made: list[Follower] = []

    def make(plant: str = "", **settings: object) -> Follower:
        made.append(Follower(database, tmp_path / f"stream-{len(made)}", plant, **settings))
        return made[-1].start()

    yield make
    for follower in made:
        follower.close()


@pytest.fixture
def client(database: Database, tmp_path: Path) -> Iterator[Client]:
    """The whole app in this process."""
    from api.app import create_whole_app
    from api.receiver import thin

    made = Client(thin(create_whole_app(Settings(data_dir=tmp_path, database_url=database.url, pepper=PEPPER))))
    made.open()
    yield made
    made.close()
