"""The pointer going back: to the version before, once an order, and never to one that was taken back itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.decisions import Decider
from feedback_ingest.postgres import Database
from feedback_loop.registry import champions
from feedback_loop.registry.rollbacks import REFUSED, ROLLED_BACK, Order, Outcome, hold, roll_back
from feedback_loop.registry.shelf import RegisteredModel
from feedback_loop.registry.tables import Champion

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def model(request: pytest.FixtureRequest, session: Session, pepper: Pepper) -> Iterator[str]:
    """A model of the test's own, whose versions 1, 2 and 3 served in turn."""
    for version in "123":
        artifact = RegisteredModel(1, request.node.name, version, f"file:///{version}", version * 64)
        champions.promote(session, artifact, "by hand", NOW, pepper, f"d-{version}")
    session.commit()
    yield request.node.name


def serving(session: Session, model: str) -> Champion:
    """The champion as it stands in the database."""
    return session.get_one(Champion, (1, model), populate_existing=True)


def order(model: str, name: str, leaves: str | None = None, by_hand: bool = True) -> Order:
    """An order of that name."""
    return Order(1, model, leaves, "worse", name, {"rule": "mood"}, NOW, by_hand)


def facts(session: Session, model: str) -> list[log.LogRow]:
    """The rollbacks and refusals of a model in the log."""
    return [row for row in log.read(session, 0, 1_000, [ROLLED_BACK, REFUSED]) if row.body["model_name"] == model]


def test_the_version_before_serves_again(session: Session, pepper: Pepper, model: str) -> None:
    """Its artifact and dataset are in place, the fact names both versions, and the pointer knows the fact's offset."""
    done = roll_back(session, order(model, "a", "3"), NOW, pepper, 300)
    session.commit()

    found = serving(session, model)
    [fact] = facts(session, model)
    assert done == Outcome("2")
    assert (found.model_version, found.previous_version, found.artifact_uri) == ("2", "1", "file:///2")
    assert (found.artifact_sha256, found.dataset_version, found.log_offset) == ("2" * 64, "d-2", fact.log_offset)
    assert (fact.body["model_version"], fact.body["previous_version"], fact.body["rule"]) == ("2", "3", "mood")


def test_an_order_is_carried_out_once(session: Session, pepper: Pepper, model: str) -> None:
    """Read again, also when another one came between, it moves nothing: its answer stands in the log."""
    outcomes = [roll_back(session, order(model, name), NOW, pepper, 0) for name in ("b", "b", "c", "b")]
    session.commit()

    assert outcomes == [Outcome("2"), None, Outcome("1"), None]
    assert [fact.id for fact in facts(session, model)] == ["b", "c"]


def test_forgetting_the_answer_would_go_back_twice(
    session: Session, pepper: Pepper, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: without a look for the answer the same order takes two versions away."""
    from feedback_loop.registry import rollbacks

    monkeypatch.setattr(rollbacks, "_is_answered", lambda session, order: False)
    for _ in range(2):
        roll_back(session, order(model, "d"), NOW, pepper, 0)

    assert serving(session, model).model_version == "1"


def test_what_was_taken_back_is_not_gone_back_to(session: Session, pepper: Pepper, model: str) -> None:
    """After 3 was taken back and 4 promoted, 4 goes back to 2; promoted again, 3 counts again."""
    four = RegisteredModel(1, model, "4", "file:///4", "4" * 64)
    three = RegisteredModel(1, model, "3", "file:///3", "3" * 64)

    roll_back(session, order(model, "e"), NOW, pepper, 0)
    champions.promote(session, four, "better", NOW, pepper)
    roll_back(session, order(model, "f"), NOW, pepper, 0)
    after_four = serving(session, model).model_version
    champions.promote(session, three, "by hand", NOW, pepper)
    champions.promote(session, four, "by hand", NOW, pepper)
    roll_back(session, order(model, "g"), NOW, pepper, 0)

    assert (after_four, serving(session, model).model_version) == ("2", "3")


def test_two_versions_that_name_each_other_end(session: Session, pepper: Pepper, model: str) -> None:
    """Back and forth by hand and by order comes to an end with a refusal, not to a loop."""
    champions.promote(session, RegisteredModel(1, model, "2"), "by hand", NOW, pepper)
    outcomes = [roll_back(session, order(model, f"h{n}"), NOW, pepper, 0) for n in range(4)]

    assert outcomes[-1] is not None and outcomes[-1].code == "no_previous_version"


def test_a_hold_and_a_cool_down_refuse_a_rule(session: Session, pepper: Pepper, model: str) -> None:
    """Each refusal is a fact with its code; a hold outlives a promotion, and when it ends the rule may go on."""
    decider = Decider("key", pepper)
    hold(session, decider, 1, model, True, NOW)
    champions.promote(session, RegisteredModel(1, model, "4"), "better", NOW, pepper)
    held = roll_back(session, order(model, "i", "4", by_hand=False), NOW, pepper, 300)
    hold(session, decider, 1, model, False, NOW)
    done = roll_back(session, order(model, "j", "4", by_hand=False), NOW, pepper, 300)
    soon = roll_back(session, order(model, "k", "3", by_hand=False), NOW + timedelta(seconds=299), pepper, 300)

    assert [outcome and outcome.code for outcome in (held, done, soon)] == ["held", None, "cooling_down"]
    assert [(fact.kind, fact.body.get("code")) for fact in facts(session, model)] == [
        (REFUSED, "held"), (ROLLED_BACK, None), (REFUSED, "cooling_down"),
    ]  # fmt: skip


def test_a_move_wakes_who_listens(session: Session, pepper: Pepper, model: str, database: Database) -> None:
    """Once it is committed, and with nothing to read in the notice."""
    with psycopg.connect(database.asyncpg_dsn, autocommit=True) as listening:
        listening.execute(f"LISTEN {champions.CHANNEL}")
        roll_back(session, order(model, "l"), NOW, pepper, 0)
        session.commit()
        heard = list(listening.notifies(timeout=5, stop_after=1))

    assert [notice.payload for notice in heard] == [""]
