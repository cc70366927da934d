"""Flagging in the stream: what policies send to review, from their place in the log on; a rebuild says the same."""

import random
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlmodel import Session

from feedback_ingest.canonical import Pepper
from feedback_ingest.decisions import Decider
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.review_policies import ReviewPolicy
from feedback_loop.stream.consumers import flagging
from feedback_loop.stream.flagging.book import ProjectReviewPolicies
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.rebuild import rebuild
from tests.stream.events import NOON, append, feedback, kept
from tests.stream.outboxes import rows, wipe_all

LATER = NOON + timedelta(days=1)


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log and without policies."""
    wipe_all(database)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM review_policies")
    return database


def define(database: Database, pepper: Pepper, *wanted: dict[str, Any]) -> None:
    """Defines policies of the project `default`, as an administrator does, at noon."""
    with Session(database.engine) as session:
        for each in wanted:
            mine = ProjectReviewPolicies(session, 1)
            mine.define(msgspec.convert(each, ReviewPolicy), Decider("a-key", pepper), NOON)
        session.commit()


def answer(name: str, *probabilities: float, text: str = "", **told: Any) -> Fact:
    """An answered inference of the model `mail`."""
    body = {"inference_request_id": name, "model_name": "mail", "model_version": "m1", "inputs": {"text": text or name}}
    output = {"output_id": "A", "content": {"label": "spam"}} | (
        {"probabilities": probabilities} if probabilities else {}
    )
    return Fact(1, "inference", name, {**body, "outputs": [output], **told}, told.pop("at", NOON))


def harm(name: str, about: str, severity: int) -> Fact:
    """A report of harm."""
    return feedback(name, about, "safety_flag", {"category": "abuse", "severity": severity})


def liked(name: str, about: str, positive: bool) -> Fact:
    """A thumb."""
    return feedback(name, about, "explicit_binary", {"positive": positive})


def flagged(database: Database) -> dict[str, set[str]]:
    """By policy, which inferences it flagged."""
    found: dict[str, set[str]] = {}
    for policy_id, name in rows(database, "SELECT policy_id, inference_request_id FROM review_flags"):
        found.setdefault(policy_id, set()).add(name)
    return found


def test_harm_is_always_looked_at(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Without a word of the project; the more severe the more urgent, and once its answer is known."""
    append(empty, pepper, harm("h1", "i1", 2), harm("h2", "later", 4), answer("i1", 0.9, 0.1), at=NOON)
    catch_up(empty, settings)
    assert flagged(empty) == {"safety": {"i1"}}
    append(empty, pepper, answer("later", 0.9, 0.1), liked("b1", "i1", False), at=NOON)
    catch_up(empty, settings)

    found = rows(empty, "SELECT inference_request_id, priority, feedback_id FROM review_flags ORDER BY priority DESC")
    assert found == [("later", 810, "h2"), ("i1", 410, "h1")]


def test_answers_are_flagged_for_what_is_known_of_them(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """By confidence, margin, segment and chance, from the policy's place in the log on; imports by none."""
    append(empty, pepper, answer("before", 0.51, 0.49), at=NOON)
    define(
        empty,
        pepper,
        {"policy_id": "unsure", "reason": "low_confidence", "threshold": 0.55},
        {"policy_id": "close", "reason": "small_margin", "queue_id": "other", "per_day": 3},
        {"policy_id": "gold", "reason": "segment", "segments": {"tier": "gold"}},
        {"policy_id": "audit", "reason": "random_audit", "share": 0.2},
        {"policy_id": "novel", "reason": "novelty"},
    )
    asked = [
        answer("doubt", 0.51, 0.49),
        answer("sure", 0.99, 0.01),
        answer("rich", 0.99, 0.01, segments={"tier": "gold"}),
    ]
    old = answer("old", 0.5, 0.5, occurred_at="2026-04-01T00:00:00Z", at=NOON - timedelta(days=30))
    many = [answer(f"n{number}", 0.9, 0.1) for number in range(300)]
    append(empty, pepper, *asked, old, *many, at=NOON)
    catch_up(empty, settings)

    found = flagged(empty)
    audited = found.pop("audit")
    assert found == {"unsure": {"doubt"}, "close": {"doubt"}, "gold": {"rich"}}
    assert 30 < len(audited) < 90 and not audited & {"before", "old"}
    told = rows(empty, "SELECT DISTINCT policy_id, queue_id, share, per_day FROM review_flags ORDER BY 1")
    assert told[:2] == [("audit", "default", 0.2, None), ("close", "other", 1.0, 3)]


def test_what_people_disagree_about_is_flagged(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """One against one is, two who agree are not, and a contradiction that was taken back before is none."""
    define(empty, pepper, {"policy_id": "split", "reason": "disagreement"})
    said = [liked(f"{name}-{n}", name, good) for name, goods in THUMBS.items() for n, good in enumerate(goods)]
    append(empty, pepper, *(answer(name, 0.9, 0.1) for name in THUMBS), *said[:-1], at=NOON)
    append(empty, pepper, feedback("r", "taken-back", "retraction", {"retracts": "taken-back-0"}), said[-1], at=NOON)
    catch_up(empty, settings)

    assert flagged(empty) == {"split": {"split", "late"}}


THUMBS = {"split": (True, False), "alike": (True, True), "late": (True, True, False), "taken-back": (True, False)}


@pytest.mark.parametrize("occasion", ["drift_detected", "new_day"])
def test_an_occasion_opens_a_batch(empty: Database, settings: Settings, pepper: Pepper, occasion: str) -> None:
    """The answers that teach most, of the model that drifted, or of the day before; each once, however often."""
    told = {"reason": "active_learning", "occasions": [occasion], "batch": 3}
    define(empty, pepper, {"policy_id": "learn", **told}, {"policy_id": "other", "model_name": "digits", **told})
    copies = [answer(f"c{n}", 0.5, 0.5, text="where is my parcel") for n in range(9)]
    others = [answer("o1", 0.6, 0.4, text="refund me"), answer("o2", 0.7, 0.3, text="new password please")]
    append(empty, pepper, *copies, *others, answer("s", 1.0, 0.0, text="thanks"), at=NOON)
    for day in (0, 1):
        body = {"model_name": "mail", "model_version": "m1", "reasons": ["accuracy fell"]}
        append(empty, pepper, Fact(1, "drift_detected", f"d{day}", body, LATER), at=LATER + timedelta(days=day))
    catch_up(empty, settings)

    first = {name for (name,) in rows(empty, "SELECT inference_request_id FROM review_flags LIMIT 3")}
    assert first == {"c8", "o1", "o2"} and flagged(empty).keys() == {"learn"}
    assert len(flagged(empty)["learn"]) == 5, "the second time what is left: another copy, and what was certain"


@pytest.mark.parametrize("is_hasty", [False, True])
def test_a_rebuild_flags_the_same(
    empty: Database, settings: Settings, pepper: Pepper, monkeypatch: pytest.MonkeyPatch, is_hasty: bool
) -> None:
    """However the log is cut; planted, with votes as the end of a batch leaves them, the cut would decide."""
    if is_hasty:
        monkeypatch.setattr(flagging, "_count", lambda cast, change, times: None)
    define(
        empty,
        pepper,
        {"policy_id": "split", "reason": "disagreement"},
        {"policy_id": "unsure", "reason": "low_confidence"},
        {"policy_id": "learn", "reason": "active_learning", "occasions": ["drift_detected"], "batch": 2},
    )
    dice, facts = random.Random(5), []
    for n in range(30):
        facts += [answer(f"i{n}", dice.random(), 0.1), liked(f"a{n}", f"i{n}", True), liked(f"b{n}", f"i{n}", False)]
        facts.append(feedback(f"r{n}", f"i{n}", "retraction", {"retracts": f"a{n}"}))
        facts.append(Fact(1, "drift_detected", f"d{n}", {"model_name": "mail"}, NOON))
    append(empty, pepper, *facts, at=NOON)
    catch_up(empty, settings)
    at_once = kept(empty)["review_flags"]
    rebuild(empty, settings.model_copy(update={"stream_batch": 3}))

    assert (kept(empty)["review_flags"] == at_once) != is_hasty
    assert is_hasty or len(flagged(empty)) == 3
