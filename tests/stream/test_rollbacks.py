"""A rule that takes the champion back: within a few batches, once, and only by those who may."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.rules import Rule
from feedback_loop.registry.champions import promote
from feedback_loop.registry.rollbacks import REFUSED, REQUESTED, ROLLED_BACK, hold
from feedback_loop.registry.shelf import RegisteredModel
from feedback_loop.registry.tables import Champion
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.rebuild import rebuild
from tests.stream.events import append, feedback, inference, truth, wipe
from tests.stream.test_rules import define, verdicts

ACTIONS = ["alert", "rollback_request"]
FLOOR = Rule(
    rule_id="floor", metric="accuracy", comparison="below", threshold=0.8, window_s=60, min_samples=30, actions=ACTIONS
)
MOOD = Rule(**FLOOR.as_data() | {"rule_id": "mood", "metric": "satisfaction", "threshold": 0.5})


@pytest.fixture
def serving(database: Database, settings: Settings, pepper: Pepper) -> Database:
    """An empty log, in which m1 served `digits` and m2 does, and nothing but FLOOR and MOOD is watched."""
    wipe(database)
    with Session(database.engine) as session:
        session.execute(text("TRUNCATE champions, model_versions"))
        for version in ("m0", "m1", "m2"):
            promote(session, RegisteredModel(1, "digits", version), "by hand", utc_now(), pepper)
        session.commit()
    define(database, settings, pepper, FLOOR, MOOD, "accuracy_floor")
    return database


def champion(database: Database) -> str:
    """The version that serves."""
    with Session(database.engine) as session:
        return session.get_one(Champion, (1, "digits")).model_version


def moves(database: Database) -> list[tuple[str, Any]]:
    """What the log says of rollbacks: the kind, and the version or the code."""
    with Session(database.engine) as session:
        rows = log.read(session, 0, 10_000, [REQUESTED, ROLLED_BACK, REFUSED])
    return [(row.kind, row.body.get("code", row.body["model_version"])) for row in rows]


def bad(first: int, count: int, version: str = "m2", people: int = 0, seconds_ago: float = 1) -> list[Fact]:
    """Wrong answers of the present: by the ground truth, or by thumbs of so many people."""
    at, facts = utc_now() - timedelta(seconds=seconds_ago), []
    for n in range(first, first + count):
        asked = inference(f"i{n}", version=version)
        if people:
            person = {"user_context": {"user_id": f"p_{n % people}"}, "model_version": version}
            said = feedback(f"f{n}", f"i{n}", "explicit_binary", {"positive": False}, **person)
        else:
            said = truth(f"t{n}", f"i{n}", 4, model_version=version)
        facts += [Fact(1, fact.kind, fact.id, fact.body, at) for fact in (asked, said)]
    return facts


def received(database: Database, pepper: Pepper, facts: list[Fact], seconds_ago: float) -> None:
    """Commits facts as received so long ago."""
    with Session(database.engine) as session:
        log.append(session, facts, utc_now() - timedelta(seconds=seconds_ago), pepper)
        session.commit()


def test_the_ground_truth_takes_a_champion_back(serving: Database, settings: Settings, pepper: Pepper) -> None:
    """Asked for by the alert, carried out in the next batch; more of the same asks for nothing more."""
    append(serving, pepper, *bad(0, 50))
    catch_up(serving, settings)
    append(serving, pepper, *bad(50, 50))
    catch_up(serving, settings)

    assert champion(serving) == "m1"
    assert moves(serving) == [(REQUESTED, "m2"), (ROLLED_BACK, "m1")]
    with Session(serving.engine) as session:
        asked, done = log.read(session, 0, 10_000, [REQUESTED, ROLLED_BACK])
        [raised] = log.read(session, 0, 10_000, ["alert_raised"])
    assert asked.id == done.id == asked.body["alert_id"] == raised.id
    assert raised.log_offset < asked.log_offset < done.log_offset


@pytest.mark.parametrize("batch", [1, 7, 1_000])
def test_a_replay_takes_nothing_back(serving: Database, settings: Settings, pepper: Pepper, batch: int) -> None:
    """Promoted again after a rollback, a version stays in service when the log is read anew from the first event."""
    append(serving, pepper, *bad(0, 50))
    catch_up(serving, settings)
    with Session(serving.engine) as session:
        promote(session, RegisteredModel(1, "digits", "m2"), "by hand", utc_now(), pepper)
        session.commit()
        head = log.head(session)

    rebuild(serving, settings.model_copy(update={"stream_batch": batch}))

    assert champion(serving) == "m2"
    with Session(serving.engine) as session:
        assert log.head(session) == head


def test_one_person_takes_nothing_back(serving: Database, settings: Settings, pepper: Pepper) -> None:
    """A hundred thumbs of nineteen people raise the alert and wait; with the twentieth they take it back."""
    received(serving, pepper, bad(1_000, 40, "m1", people=40, seconds_ago=600), seconds_ago=600)
    append(serving, pepper, *bad(0, 95, people=19))
    catch_up(serving, settings)
    waits, before = verdicts(serving, "mood")[-1], champion(serving)
    append(serving, pepper, *bad(100, 20, people=20, seconds_ago=0.5))
    catch_up(serving, settings)

    assert (waits, before) == ("rollback_waits", "m2")
    assert (champion(serving), moves(serving)) == ("m1", [(REQUESTED, "m2"), (ROLLED_BACK, "m1")])


def test_a_version_that_does_not_serve_asks_for_nothing(serving: Database, settings: Settings, pepper: Pepper) -> None:
    """Bad news of the version before raise an alert, and the champion stays."""
    append(serving, pepper, *bad(0, 50, version="m1"))
    catch_up(serving, settings)

    assert (champion(serving), moves(serving)) == ("m2", [])


def test_old_news_ask_for_nothing(serving: Database, settings: Settings, pepper: Pepper) -> None:
    """What is read from a backlog of yesterday says nothing of the present."""
    append(serving, pepper, *bad(0, 50, seconds_ago=86_400))
    catch_up(serving, settings)

    assert (champion(serving), moves(serving)) == ("m2", [])


def test_a_held_champion_stays_and_the_log_says_why(serving: Database, settings: Settings, pepper: Pepper) -> None:
    """The request is refused with its reason, once."""
    with Session(serving.engine) as session:
        hold(session, Decider("key", pepper), 1, "digits", True, utc_now())
        session.commit()
    append(serving, pepper, *bad(0, 50))
    catch_up(serving, settings)
    append(serving, pepper, *bad(50, 50))
    catch_up(serving, settings)

    assert (champion(serving), moves(serving)) == ("m2", [(REQUESTED, "m2"), (REFUSED, "held")])


@pytest.mark.parametrize(("cooldown_s", "version"), [(300, "m1"), (0, "m0")])
def test_a_second_rollback_cools_down(
    serving: Database, settings: Settings, pepper: Pepper, cooldown_s: int, version: str
) -> None:
    """The version that was gone back to is bad too: within the cool-down it stays, without one it goes as well."""
    hasty = settings.model_copy(update={"rollback_cooldown_s": cooldown_s})
    append(serving, pepper, *bad(0, 50))
    catch_up(serving, hasty)
    append(serving, pepper, *bad(100, 50, version="m1"))
    catch_up(serving, hasty)

    assert champion(serving) == version


@pytest.mark.parametrize(("right_before", "right_now", "outcome"), [(0.7, 0.95, "worse_on_gold"), (0.94, 0.95, "m1")])
def test_gold_that_nobody_sees_has_a_veto(
    serving: Database, settings: Settings, pepper: Pepper, right_before: float, right_now: float, outcome: str
) -> None:
    """People ask, and where the version before was surely worse on the golden rows the log says that this one stays."""
    seen = {
        "champion_version": "m1", "recent_rows": 100,
        "champion_recent_accuracy": right_before, "recent_accuracy": right_now,
    }  # fmt: skip
    with Session(serving.engine) as session:
        session.execute(text("DELETE FROM champions"))
        for version, evaluation in (("m1", None), ("m2", seen)):
            promote(session, RegisteredModel(1, "digits", version), "gate", utc_now(), pepper, evaluation=evaluation)
        session.commit()
    received(serving, pepper, bad(1_000, 40, "m1", people=40, seconds_ago=600), seconds_ago=600)
    append(serving, pepper, *bad(0, 100, people=25))
    catch_up(serving, settings)

    assert moves(serving)[-1][1] == outcome
    assert champion(serving) == ("m1" if outcome == "m1" else "m2")
