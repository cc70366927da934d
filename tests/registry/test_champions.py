"""The champion pointer and its fact, on a real Postgres, and the shelf over a real MLflow."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from sqlmodel import Session, select

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.errors import ArtifactMismatch
from feedback_loop.registry import champions, shelf
from feedback_loop.registry.pruning import prune_increments
from feedback_loop.registry.rollbacks import Order, roll_back
from feedback_loop.registry.shelf import RegisteredModel, VersionTaken
from feedback_loop.registry.tables import Champion

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def model_name(request: pytest.FixtureRequest) -> Iterator[str]:
    """A model of the test's own, so that tests may share a database."""
    yield request.node.name


def _promoted(session: Session) -> list[log.LogRow]:
    return log.read(session, 0, 1000, [champions.PROMOTED])


def test_a_promotion_moves_the_pointer_and_says_so_in_the_log(
    session: Session, pepper: Pepper, model_name: str
) -> None:
    """The champion and the fact `model_promoted` are one transaction, and the pointer knows the fact's offset."""
    first = RegisteredModel(1, model_name, "1", None, None)
    second = RegisteredModel(1, model_name, "2", "file:///somewhere", "ab" * 32)

    champions.promote(session, first, "by hand", NOW, pepper)
    champions.promote(session, second, "better", NOW, pepper, "d-0001", {"accuracy": 0.9})
    session.commit()

    serving = champions.champion(session, 1, model_name)
    facts = [fact for fact in _promoted(session) if fact.body["model_name"] == model_name]
    assert serving is not None and (serving.model_version, serving.previous_version) == ("2", "1")
    assert [fact.body["model_version"] for fact in facts] == ["1", "2"]
    assert facts[-1].log_offset == serving.log_offset
    assert facts[-1].body["evaluation"] == {"accuracy": 0.9}


def test_a_promotion_that_fails_leaves_neither_pointer_nor_fact(
    session: Session, pepper: Pepper, model_name: str
) -> None:
    """What is rolled back was never promoted."""
    before = len(_promoted(session))

    champions.promote(session, RegisteredModel(1, model_name, "1"), "by hand", NOW, pepper)
    session.rollback()

    assert champions.champion(session, 1, model_name) is None
    assert len(_promoted(session)) == before


def test_promoting_the_champion_again_changes_nothing(session: Session, pepper: Pepper, model_name: str) -> None:
    """A retried promotion appends no second fact."""
    registered = RegisteredModel(1, model_name, "1")
    champions.promote(session, registered, "by hand", NOW, pepper)
    session.commit()
    before = len(_promoted(session))

    champions.promote(session, registered, "by hand", NOW, pepper)
    session.commit()

    assert len(_promoted(session)) == before


def test_two_promotions_at_once_are_one_after_the_other(database: Database, pepper: Pepper, model_name: str) -> None:
    """Of several first promotions at once each is a fact, and each names the one before it."""

    def promote(version: int) -> None:
        with Session(database.engine) as session:
            champions.promote(session, RegisteredModel(1, model_name, str(version)), "race", NOW, pepper)
            session.commit()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(promote, range(4)))

    with Session(database.engine) as session:
        facts = [fact for fact in _promoted(session) if fact.body["model_name"] == model_name]
        serving = champions.champion(session, 1, model_name)
    versions = [fact.body["model_version"] for fact in facts]
    assert sorted(versions) == ["0", "1", "2", "3"]
    assert [fact.body.get("previous_version") for fact in facts] == [None, *versions[:-1]]
    assert serving is not None and serving.model_version == versions[-1]


def test_a_registered_artifact_is_found_again(database: Database, settings: Settings, model_name: str) -> None:
    """MLflow knows the version with its metrics; the file holds the bytes; the alias follows the champion."""
    registered = shelf.register(
        database, settings, model_name, b"weights", "v-1", {"accuracy": 0.5}, {"rows": 10}, {"dataset_version": "d"}
    )

    is_known = shelf.follow_alias(database, 1, model_name, "v-1")

    client = shelf._client(database)
    found = client.get_model_version_by_alias(model_name, shelf.ALIAS)
    run = client.get_run(found.run_id)
    assert is_known
    assert (found.tags["model_version"], found.tags["dataset_version"]) == ("v-1", "d")
    assert (run.data.metrics, run.data.params) == ({"accuracy": 0.5}, {"rows": "10"})
    assert registered.artifact_uri and registered.artifact_sha256
    assert shelf.read_artifact(registered.artifact_uri, registered.artifact_sha256) == b"weights"


def test_a_version_never_changes(database: Database, settings: Settings, model_name: str) -> None:
    """The same bytes again are the same version; other bytes under its name are refused and the file stays."""
    first = shelf.register(database, settings, model_name, b"weights", "v-1")

    again = shelf.register(database, settings, model_name, b"weights", "v-1")
    with pytest.raises(VersionTaken):
        shelf.register(database, settings, model_name, b"others", "v-1")

    assert again == first
    assert first.artifact_uri and first.artifact_sha256
    assert shelf.read_artifact(first.artifact_uri, first.artifact_sha256) == b"weights"
    assert len(shelf._client(database).search_model_versions(f"name='{model_name}'")) == 1


def test_projects_do_not_share_a_name(database: Database, settings: Settings, model_name: str) -> None:
    """Two projects may both have a model of one name and version, with different artifacts."""
    ours = shelf.register(database, settings, model_name, b"ours", "v-1", project_id=1)
    theirs = shelf.register(database, settings, model_name, b"theirs", "v-1", project_id=2)

    assert ours.artifact_uri != theirs.artifact_uri


@pytest.mark.parametrize("name", ['../team\'s: "m"', "..", "模型 é", "x" * 256, "~" * 256])
def test_any_name_of_the_contract_can_be_registered(database: Database, settings: Settings, name: str) -> None:
    """Slashes, quotes, dots, any alphabet and any length neither leave the folder nor confuse MLflow."""
    registered = shelf.register(database, settings, name, b"weights", name)

    assert registered.artifact_uri
    path = Path(unquote(urlparse(registered.artifact_uri).path))
    assert path.parent.parent.parent == (settings.data_dir / "models").resolve()
    assert path.read_bytes() == b"weights"
    assert shelf.follow_alias(database, 1, name, name)


def test_a_damaged_artifact_is_not_handed_out(database: Database, settings: Settings, model_name: str) -> None:
    """Bytes that changed on the disk, or are gone, raise ArtifactMismatch and are never loaded."""
    registered = shelf.register(database, settings, model_name, b"weights", "v-1")
    champion = Champion(
        project_id=1,
        model_name=model_name,
        model_version="v-1",
        artifact_uri=registered.artifact_uri,
        artifact_sha256=registered.artifact_sha256,
        log_offset=1,
        promoted_at=NOW,
    )
    assert champions.load_artifact(champion) == b"weights"
    path = Path(unquote(urlparse(str(registered.artifact_uri)).path))

    path.write_bytes(b"tampered")
    with pytest.raises(ArtifactMismatch):
        champions.load_artifact(champion)
    path.unlink()
    with pytest.raises(ArtifactMismatch):
        champions.load_artifact(champion)


def test_a_first_model_needs_no_artifact(
    database: Database, settings: Settings, session: Session, pepper: Pepper, model_name: str
) -> None:
    """Who has a model elsewhere registers its version alone; it can be champion, but nothing can be loaded."""
    registered = shelf.register(database, settings, model_name, None, "elsewhere-7")

    serving = champions.promote(session, registered, "by hand", NOW, pepper)
    session.commit()

    assert session.exec(select(Champion).where(Champion.model_name == model_name)).one().artifact_uri is None
    with pytest.raises(ArtifactMismatch):
        champions.load_artifact(serving)


def test_increments_are_pruned_and_the_way_back_stays(
    database: Database, settings: Settings, session: Session, pepper: Pepper, model_name: str
) -> None:
    """Of five increments the newest two stay, on the disk, in MLflow and in the table; a rollback still goes all the
    way, past what is gone, to the version that the gate promoted, and that one is never pruned.
    """
    versions = ["m-0001", *(f"m-0001.increment-{n}" for n in range(1, 6))]
    uris = {}
    for place, version in enumerate(versions):
        registered = shelf.register(database, settings, model_name, version.encode(), version)
        uris[version] = urlparse(str(registered.artifact_uri)).path
        champions.promote(session, registered, "better", NOW + timedelta(seconds=place), pepper)
        session.commit()

    gone = prune_increments(database, 1, model_name, keep=2)

    assert sorted(gone) == versions[1:4]
    assert [version for version in versions if Path(unquote(uris[version])).exists()] == [versions[0], *versions[4:]]
    client, name = shelf._client(database), shelf._shelf_name(1, model_name)
    assert [shelf._found(client, name, version) is not None for version in versions] == [True, *[False] * 3, True, True]
    assert prune_increments(database, 1, model_name, keep=2) == []
    back = [roll_back(session, Order(1, model_name, None, "worse", is_by_hand=True), NOW, pepper, 0) for _ in range(3)]
    assert [one.serving for one in back if one] == [versions[4], versions[0], versions[0]]
    assert back[2] is not None and back[2].code == "no_previous_version"
