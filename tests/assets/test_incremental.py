"""The worker that lets champions go on learning: what it serves, what it withholds, and to whom it gives way."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import Session

from feedback_assets import facts
from feedback_assets.incremental.worker import Worker
from feedback_ingest.settings import get_settings
from feedback_loop.learning.datasets import is_golden
from feedback_loop.learning.increments import is_increment, root_of
from feedback_loop.learning.training import TrainedModel
from feedback_loop.registry.champions import champion, load_artifact, promote
from feedback_loop.registry.shelf import RegisteredModel
from feedback_loop.registry.tables import Champion
from feedback_loop.stream.process import catch_up
from tests.assets.world import DAY, World

Lives = Callable[..., None]


@pytest.fixture
def lives(world: World) -> Lives:
    """Lets time go on: answers and labels come, and the stream reads them."""

    def go_on(count: int, right: float, seed: int) -> None:
        world.live(count, right=right, start=DAY + timedelta(hours=seed), seed=seed)
        catch_up(world.database, get_settings())

    return go_on


def _worker(world: World) -> Worker:
    _put(world, "digits-0001")
    return Worker(world.log, world.instance, "sliding_committee", 0.0)


def _put(world: World, version: str) -> None:
    with Session(world.database.engine) as session:
        promote(session, RegisteredModel(1, "digits", version), "by hand", DAY, world.pepper)
        session.commit()


def _serving(world: World) -> Champion:
    with Session(world.database.engine) as session:
        found = champion(session, 1, "digits")
        assert found is not None
        return found


def test_a_better_increment_serves_and_goes_on_learning(world: World, lives: Lives) -> None:
    """Learnt first, shown to be better on labels that came later, and served; the next one follows at once.

    What is golden was never learnt; the increments are told on the serving model, and are no reign of their own.
    """
    worker = _worker(world)
    lives(160, 0.6, 1)
    assert worker.step() == 160
    assert _serving(world).model_version == "digits-0001"
    lives(60, 0.6, 2)
    worker.step()
    first = _serving(world).model_version
    lives(20, 0.6, 3)
    worker.step()

    second = _serving(world)
    told = [fact for fact in world.facts(facts.MODEL_PROMOTED) if is_increment(fact.body["model_version"])]
    model = TrainedModel.from_bytes(load_artifact(second))
    golden = sum(is_golden(f"live-digits-0001-{s}-{n}", 0.2) for s, c in ((1, 160), (2, 60), (3, 20)) for n in range(c))
    assert [fact.body["model_version"] for fact in told] == [first, second.model_version]
    assert first != second.model_version
    assert root_of(first) == root_of(second.model_version) == "digits-0001"
    assert "test-then-train accuracy" in told[0].body["reason"]
    assert model.predict([{"pixels": [0.5, 4.5, 0.5]}])[0].label == "1"
    assert model.rows == 240 - golden
    assert worker.step() == 0


def test_it_gives_way_to_whom_it_did_not_put_there(world: World, lives: Lives) -> None:
    """Promoted by hand or by the gate, another version serves until an increment has shown itself against it."""
    worker = _worker(world)
    for seed, count in ((1, 160), (2, 60)):
        lives(count, 0.6, seed)
        worker.step()
    assert is_increment(_serving(world).model_version)

    _put(world, "digits-0007")
    lives(30, 1.0, 3)
    worker.step()
    lives(30, 1.0, 4)
    worker.step()

    assert _serving(world).model_version == "digits-0007"
