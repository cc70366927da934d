"""Alerts and rollbacks when things go wrong: a value that flutters, a stream that is killed."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.clock import utc_now
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.rules import Rule
from feedback_loop.registry.champions import promote
from feedback_loop.registry.rollbacks import REFUSED, REQUESTED, ROLLED_BACK
from feedback_loop.registry.shelf import RegisteredModel
from feedback_loop.registry.tables import Champion
from feedback_loop.stream.process import catch_up, leading
from tests.chaos.doors import PEPPER
from tests.chaos.streams import SIGNED, Follower
from tests.stream.events import append, wipe
from tests.stream.test_rules import define
from tests.support.waiting import wait_for

ACTIONS = ["alert", "rollback_request"]
CALM = Rule(
    rule_id="floor", metric="accuracy", comparison="below", threshold=0.8, window_s=10, min_samples=20, margin=0.05,
    cooldown_s=60, actions=ACTIONS,
)  # fmt: skip
RULES = {"": CALM, "fluttering": Rule(**CALM.as_data() | {"margin": 0.0, "cooldown_s": 0})}


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    """Settings for a stream in this process, and an empty log."""
    wipe(database)
    with database.engine.begin() as connection:
        connection.execute(text("TRUNCATE champions, model_versions"))
    return Settings(data_dir=tmp_path, database_url=database.url, pepper=PEPPER)


def serve(database: Database, models: Iterator[str] | list[str]) -> None:
    """Of each model `old` served, and `new` does."""
    with Session(database.engine) as session:
        for model in models:
            for version in ("old", "new"):
                promote(session, RegisteredModel(1, model, version), "by hand", utc_now(), SIGNED)
        session.commit()


def judged(model: str, name: str, right: bool, seconds_ago: float) -> list[Fact]:
    """An answer of the version `new`, and its truth."""
    at, named = utc_now() - timedelta(seconds=seconds_ago), {"model_name": model, "model_version": "new"}
    outputs = [{"output_id": "A", "content": {"label": "3"}}]
    said = {"inference_request_id": name, "model_version": "new", "feedback_type": "ground_truth"}
    return [
        Fact(1, "inference", name, {"inference_request_id": name, **named, "outputs": outputs}, at),
        Fact(1, "feedback", f"t-{name}", {**said, "feedback_value": {"label": "3" if right else "4"}}, at),
    ]


def told(database: Database, *kinds: str) -> list[log.LogRow]:
    """The facts of some kinds, in order."""
    with Session(database.engine) as session:
        return log.read(session, 0, 100_000, kinds)


@pytest.mark.chaos
@pytest.mark.parametrize(("plant", "raised"), [("", 1), ("fluttering", 50)])
def test_a_flutter_is_told_once(database: Database, settings: Settings, plant: str, raised: int) -> None:
    """A value that crosses the threshold a hundred times and then recovers: one alert, one recovery, one rollback.

    The bug planted, no margin and no cool-down, tells every crossing.
    """
    serve(database, ["m"])
    define(database, settings, SIGNED, RULES[plant], "accuracy_floor")
    newest = utc_now().timestamp() // 10 * 10
    with leading(database, settings) as stream:
        for bucket in range(103):
            right = 20 if bucket >= 100 else 12 if bucket % 2 == 0 else 16
            ago = utc_now().timestamp() - (newest - 10 * (103 - bucket))
            pairs = [judged("m", f"{bucket}-{n}", n < right, ago - n % 10) for n in range(20)]
            append(database, SIGNED, *(fact for pair in pairs for fact in pair))
            while stream.step():
                pass

    alerts = told(database, "alert_raised", "alert_recovered")
    assert [fact.kind for fact in alerts] == ["alert_raised", "alert_recovered"] * raised
    assert [fact.kind for fact in told(database, REQUESTED, ROLLED_BACK, REFUSED)] == [REQUESTED, ROLLED_BACK]


@pytest.mark.parametrize("kills", [2, pytest.param(25, marks=pytest.mark.chaos)])
def test_kills_take_a_champion_back_once(database: Database, settings: Settings, tmp_path: Path, kills: int) -> None:
    """kill -9 while models go bad: each alert, request and rollback has one id and one fact, and each model went back.

    A request that a kill left unanswered is answered by the next stream.
    """
    models = [f"model-{kill}-{n}" for kill in range(kills) for n in range(8)]
    serve(database, models)
    define(database, settings, SIGNED, Rule(**CALM.as_data() | {"window_s": 120}), "accuracy_floor")
    follower = Follower(database, tmp_path / "stream", stream_batch=20)
    try:
        for kill in range(kills):
            enough = len(told(database, REQUESTED)) + kill % 7
            follower.start()
            for model in models[kill * 8 : kill * 8 + 8]:
                append(database, SIGNED, *(fact for n in range(20) for fact in judged(model, f"{model}-{n}", False, 1)))
            wait_for(lambda enough=enough: len(told(database, REQUESTED)) > enough, what="a request")
            follower.kill()
    finally:
        follower.close()
    catch_up(database, settings)

    for kind in ("alert_raised", REQUESTED, ROLLED_BACK):
        facts = told(database, kind)
        assert sorted(fact.body["model_name"] for fact in facts) == sorted(models), kind
        assert len({fact.id for fact in facts}) == len(models)
    assert told(database, REFUSED) == []
    assert versions(database) == {"old"}


def versions(database: Database) -> set[Any]:
    """Which versions serve."""
    with database.engine.connect() as connection:
        return set(connection.execute(text("SELECT model_version FROM champions")).scalars())


def test_feedback_on_unknown_answers_takes_nothing_back(database: Database, settings: Settings) -> None:
    """What names answers that nobody logged, or that another project logged, waits and weighs nothing."""
    serve(database, ["m"])
    define(database, settings, SIGNED, CALM, "accuracy_floor")
    foreign = [judged("m", f"theirs-{n}", False, 1) for n in range(50)]
    append(database, SIGNED, *(Fact(7, fact.kind, fact.id, fact.body, fact.occurred_at) for fact, _ in foreign))
    append(database, SIGNED, *(said for _, said in foreign))
    append(database, SIGNED, *(judged("m", f"nobodys-{n}", False, 1)[1] for n in range(50)))
    catch_up(database, settings)

    assert told(database, "alert_raised", REQUESTED) == []
    with Session(database.engine) as session:
        assert session.get_one(Champion, (1, "m")).model_version == "new"
