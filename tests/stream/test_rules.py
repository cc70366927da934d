"""Rules in the stream: definitions are facts, each in force from its place in the log, and people are counted."""

from dataclasses import replace
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
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.rebuild import rebuild
from feedback_loop.stream.ruling.rule_book import ProjectRules, defaults_of
from tests.stream.events import append, feedback, inference, truth, wipe

MOOD = Rule(
    rule_id="mood", metric="satisfaction", comparison="below", threshold=0.5, window_s=60, min_samples=30, min_users=20
)


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log."""
    wipe(database)
    return database


def define(database: Database, settings: Settings, pepper: Pepper, *rules: Rule | str, project_id: int = 1) -> None:
    """Defines rules, or removes those that are given by name."""
    with Session(database.engine) as session:
        known = ProjectRules(session, project_id, defaults_of(settings))
        for rule in rules:
            if isinstance(rule, str):
                known.remove(rule, Decider("test", pepper), utc_now())
            else:
                known.define(rule, Decider("test", pepper), utc_now())
        session.commit()


def alerts(database: Database) -> list[Any]:
    """Who was told what of which version."""
    wanted = "SELECT project_id, rule, model_version, state FROM alerts ORDER BY cause_offset, occurred_at, alert_id"
    with Session(database.engine) as session:
        return [tuple(row) for row in session.execute(text(wanted))]


def verdicts(database: Database, rule_id: str) -> list[str]:
    """What a rule decided last, of every version."""
    wanted = text("SELECT verdict FROM rule_decisions WHERE rule_id = :rule ORDER BY model_version")
    with Session(database.engine) as session:
        return [row.verdict for row in session.execute(wanted, {"rule": rule_id})]


def thumbs(first: int, count: int, users: int, second: int, positive: bool = False) -> list[Fact]:
    """Answers with thumbs of so many people, all within one second."""
    facts = []
    for n in range(first, first + count):
        person = {"user_context": {"user_id": f"p_{n % users}"}}
        facts.append(inference(f"i{n}", second=second))
        facts.append(feedback(f"f{n}", f"i{n}", "explicit_binary", {"positive": positive}, second, **person))
    return facts


def received(database: Database, pepper: Pepper, facts: list[Fact]) -> None:
    """Commits facts as received when they occurred."""
    with Session(database.engine) as session:
        log.append(session, facts, max(fact.occurred_at for fact in facts), pepper)
        session.commit()


def test_a_rule_holds_in_its_project_from_its_place_on(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """What was bad before is not raised again; another project keeps the default; what is removed is not looked at."""
    strict = Rule(rule_id="strict", metric="accuracy", comparison="below", threshold=0.99, window_s=30, min_samples=10)

    def judged(first: int, project: int, right: bool) -> list[Fact]:
        told = [(inference(f"i{n}", second=n), truth(f"t{n}", f"i{n}", 3 if right else 4, second=n))
                for n in range(first, first + 20)]  # fmt: skip
        return [replace(fact, project_id=project) for pair in told for fact in pair]

    append(empty, pepper, *judged(0, 1, right=False), *judged(0, 7, right=False))
    catch_up(empty, settings.model_copy(update={"rule_min_samples": 20}))
    before = alerts(empty)
    define(empty, settings, pepper, strict, "accuracy_floor")
    append(empty, pepper, *judged(100, 1, right=False), *judged(200, 1, right=True))
    catch_up(empty, settings)
    define(empty, settings, pepper, "strict")
    append(empty, pepper, *judged(300, 1, right=False))
    catch_up(empty, settings)

    assert before == [(1, "accuracy_floor", "m1", "raised"), (7, "accuracy_floor", "m1", "raised")]
    assert alerts(empty)[2:] == [(1, "strict", "m1", "raised"), (1, "strict", "m1", "recovered")]


def test_one_person_raises_nothing(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """A hundred thumbs of five people are told as too few people; a hundred of twenty known people raise the alert."""
    define(empty, settings, pepper, MOOD)
    received(empty, pepper, thumbs(0, 40, users=40, second=0, positive=True))
    received(empty, pepper, thumbs(100, 100, users=5, second=200))
    catch_up(empty, settings)
    few, none = verdicts(empty, "mood"), alerts(empty)
    received(empty, pepper, thumbs(300, 100, users=20, second=205))
    catch_up(empty, settings)

    assert (few, none) == (["too_few_users"], [])
    assert alerts(empty) == [(1, "mood", "m1", "raised")]


def test_people_of_a_segment_are_counted(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """A rule for one segment fires by the people in it; those of another do not speak for it."""
    vienna, graz = (
        Rule(**MOOD.as_data() | {"rule_id": town, "segment": f"town={town}"}) for town in ("vienna", "graz")
    )
    define(empty, settings, pepper, vienna, graz)
    received(empty, pepper, thumbs(0, 60, users=60, second=0, positive=True))
    for first, count, users, town in ((100, 100, 20, "vienna"), (200, 100, 19, "graz")):
        facts = thumbs(first, count, users, second=200)
        for fact in facts:
            if fact.kind == "feedback":
                fact.body["user_context"]["segments"] = {"town": town}
        received(empty, pepper, facts)
    catch_up(empty, settings)

    assert alerts(empty) == [(1, "vienna", "m1", "raised")]
    assert verdicts(empty, "graz") == ["too_few_users"]


def test_people_who_are_new_do_not_count(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Three hundred users made for the occasion raise nothing, however bad it looks."""
    define(empty, settings, pepper, MOOD)
    received(empty, pepper, thumbs(0, 300, users=300, second=0))
    catch_up(empty, settings)

    assert (verdicts(empty, "mood"), alerts(empty)) == (["too_few_users"], [])


def test_without_the_count_they_would(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """The planted bug: the same rule that asks for nobody fires for the same three hundred."""
    define(empty, settings, pepper, Rule(**MOOD.as_data() | {"min_users": 0}))
    received(empty, pepper, thumbs(0, 300, users=300, second=0))
    catch_up(empty, settings)

    assert alerts(empty) == [(1, "mood", "m1", "raised")]


def test_what_was_taken_back_does_not_count(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Twenty people of whom one has taken everything back are nineteen."""
    define(empty, settings, pepper, MOOD)
    received(empty, pepper, thumbs(0, 40, users=40, second=0, positive=True))
    one = {"user_context": {"user_id": "p_0"}}
    back = [feedback(f"u{n}", f"i{n}", "retraction", {"retracts": f"f{n}"}, 200, **one) for n in range(100, 200, 20)]
    received(empty, pepper, [*thumbs(100, 100, users=20, second=200), *back])
    catch_up(empty, settings)

    assert (verdicts(empty, "mood"), alerts(empty)) == (["too_few_users"], [])


def test_every_action_follows_as_a_fact(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """A drift signal and a call for review stand in the log beside the alert, and say what it says."""
    acting = Rule(**MOOD.as_data() | {"min_users": 0, "actions": ["alert", "drift_signal", "open_review_tasks"]})
    define(empty, settings, pepper, acting)
    append(empty, pepper, *thumbs(0, 50, users=50, second=0))
    catch_up(empty, settings)

    kinds = ["alert_raised", "drift_signalled", "review_tasks_requested"]
    with Session(empty.engine) as session:
        facts = log.read(session, 0, 1_000, kinds)
    assert [fact.kind for fact in facts] == kinds
    assert {(fact.body["rule"], fact.body["metric"], fact.body["alert_id"]) for fact in facts} == {
        ("mood", "satisfaction", facts[0].id)
    }


def test_the_worst_answers_behind_an_alert_go_to_review(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Twenty at most, by the rule's name, of those who were not pleased; a rebuild finds the same ones."""
    acting = Rule(**MOOD.as_data() | {"min_users": 0, "actions": ["alert", "open_review_tasks"]})
    define(empty, settings, pepper, acting)
    append(empty, pepper, *thumbs(0, 20, users=50, second=0, positive=True), *thumbs(100, 25, users=50, second=1))
    catch_up(empty, settings)
    before = candidates(empty)
    rebuild(empty, settings.model_copy(update={"stream_batch": 7}))

    assert {route for route, _, _ in before} == {"mood"}
    assert [int(about[1:]) >= 100 for _, about, _ in before] == [True] * 20
    assert len({about for _, about, _ in before}) == 20 and all("satisfaction 0." in why for _, _, why in before)
    assert candidates(empty) == before


def candidates(database: Database) -> list[tuple[Any, ...]]:
    """What is for review: led there by what, about which inference, why."""
    wanted = "SELECT route_id, inference_request_id, reason FROM review_candidates ORDER BY 1, 2"
    with Session(database.engine) as session:
        return [tuple(row) for row in session.execute(text(wanted))]


def test_a_rebuild_knows_the_rules(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """With every table gone the definitions are read from the log, versions and removals included."""
    settings = settings.model_copy(update={"votes_a_day": 0})
    define(empty, settings, pepper, MOOD, Rule(**MOOD.as_data() | {"min_users": 3}), "accuracy_floor")
    for second in range(0, 600, 20):
        is_good = second // 120 % 2 == 0
        received(empty, pepper, thumbs(second * 10, 40, users=40, second=second, positive=is_good))
    catch_up(empty, settings)
    before = alerts(empty), every_rule(empty, settings)
    with empty.engine.begin() as connection:
        connection.execute(text("TRUNCATE rules, rule_decisions, alerts"))

    rebuild(empty, settings.model_copy(update={"stream_batch": 50}))

    assert len(before[0]) > 2
    assert (alerts(empty), every_rule(empty, settings)) == before


def every_rule(database: Database, settings: Settings) -> list[Any]:
    """The rules in force with their versions and places."""
    with Session(database.engine) as session:
        return list(ProjectRules(session, 1, defaults_of(settings)).every())


def test_another_version_is_compared(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """A version fires where it is worse than the one named, and not where it is as good."""
    rule = Rule(
        rule_id="worse", metric="accuracy", comparison="drop", threshold=0.1, baseline="version:m1",
        baseline_period_s=600, window_s=60, min_samples=20,
    )  # fmt: skip
    define(empty, settings, pepper, rule, "accuracy_floor")

    def judged(version: str, first: int, right: int) -> list[Fact]:
        return [
            fact
            for n in range(first, first + 50)
            for fact in (
                inference(f"i{n}", second=n, version=version),
                truth(f"t{n}", f"i{n}", 3 if n % 10 < right else 4, second=n, model_version=version),
            )
        ]

    append(empty, pepper, *judged("m1", 0, 9), *judged("m2", 100, 9), *judged("m3", 200, 6))
    catch_up(empty, settings)

    assert alerts(empty) == [(1, "worse", "m3", "raised")]


def test_evidence_is_gathered_from_batch_to_batch(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """With alpha, ten batches that look bad by chance raise nothing; a fall raises one alert, and evidence starts anew.

    However the log is cut into batches.
    """
    rule = Rule(
        rule_id="sure", metric="accuracy", comparison="below", threshold=0.8, window_s=60, min_samples=10, alpha=0.05
    )
    for batch in (20, 2_000):
        wipe(empty)
        define(empty, settings, pepper, rule, "accuracy_floor")
        cut = settings.model_copy(update={"stream_batch": batch})
        append(empty, pepper, *(fact for n in range(100) for fact in judged_at(n, n, right=n % 4 != 0)))
        catch_up(empty, cut)
        by_chance, verdict = alerts(empty), verdicts(empty, "sure")
        append(empty, pepper, *(fact for n in range(100, 200) for fact in judged_at(n, n, right=False)))
        catch_up(empty, cut)
        assert (by_chance, verdict) == ([], ["not_certain"])
        assert alerts(empty) == [(1, "sure", "m1", "raised")]


def judged_at(n: int, second: int, right: bool) -> tuple[Fact, Fact]:
    """An answer with its truth."""
    return inference(f"i{n}", second=second), truth(f"t{n}", f"i{n}", 3 if right else 4, second=second)
