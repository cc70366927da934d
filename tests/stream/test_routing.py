"""Routing in the stream: every place that a route leads to, what is held back, and the same after a rebuild."""

import random
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_ingest.errors import ValidationFailed
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning import routes
from feedback_loop.learning.routes import Route
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.rebuild import rebuild
from feedback_loop.stream.routing.book import ProjectRoutes
from tests.stream.events import NOON, append, feedback, inference, kept, truth
from tests.stream.outboxes import delivering, endpoint, rows, states, wipe_all
from tests.support.receivers import answering, receiving
from tests.support.waiting import wait_for

HOLDING = {"route_id": "doubtful", "where": {"tags": {"doubt": "yes"}}, "hold": True, "hold_s": 3_600}
DOUBT = {"doubt": "yes"}


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log and without routes."""
    wipe_all(database)
    return database


def define(database: Database, pepper: Pepper, *wanted: dict[str, Any]) -> None:
    """Defines routes of the project `default`, as an administrator does."""
    with Session(database.engine) as session:
        for each in wanted:
            mine = ProjectRoutes(session, 1)
            mine.define(msgspec.convert(each, Route), Decider("a-key", pepper), utc_now())
        session.commit()


def append_at(database: Database, pepper: Pepper, received_at: datetime, *facts: Fact) -> None:
    """Commits facts as received at that time."""
    with Session(database.engine) as session:
        log.append(session, facts, received_at, pepper)
        session.commit()


def queued(database: Database) -> set[str]:
    """What is in the training queue."""
    return {name for (name,) in rows(database, "SELECT feedback_id FROM training_examples")}


def held(database: Database) -> set[str]:
    """What is held back."""
    return {name for (name,) in rows(database, "SELECT feedback_id FROM held_feedback")}


def candidates(database: Database, table: str) -> list[tuple[Any, ...]]:
    """What was routed there, by which route."""
    return rows(database, f"SELECT feedback_id, route_id FROM {table} ORDER BY 1, 2")


def counts(database: Database) -> dict[str, int]:
    """How much each route took."""
    return dict(rows(database, "SELECT route_id, events FROM route_counts WHERE events <> 0"))  # type: ignore[arg-type]


def verdict(name: str, about: str) -> Fact:
    """A reviewer's verdict on an inference."""
    value = {"label": 4, "task_id": "t", "annotators": ["p_a"], "method": "expert"}
    return feedback(name, about, "review_label", value, source={"kind": "reviewer"})


def test_without_routes_all_goes_to_the_queue(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """The default route is in force until somebody says otherwise, and counts what it took."""
    append(empty, pepper, inference("i1"), truth("t1", "i1", 3), truth("t2", "nowhere", 3))
    catch_up(empty, settings)

    assert queued(empty) == {"t1"}
    assert counts(empty) == {"default": 2}


def test_two_matches_reach_both_and_none_is_counted(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Every sink of every route that takes an event gets it; what no route takes is unrouted, and nowhere."""
    define(
        empty,
        pepper,
        {"route_id": "default", "where": {"feedback_types": ["ground_truth"]}, "sinks": ["training_queue", "lake"]},
        {"route_id": "flags", "where": {"feedback_types": ["safety_flag"]}, "sinks": ["review"]},
        {"route_id": "all-truths", "where": {"metric": "accuracy"}, "sinks": ["review", "replay_buffer"]},
    )
    flag = feedback("s1", "i1", "safety_flag", {"category": "abuse", "severity": 3})
    thumb = feedback("b1", "i1", "explicit_binary", {"positive": True})
    append(empty, pepper, inference("i1"), truth("t1", "i1", 3), flag, thumb)
    catch_up(empty, settings)

    assert queued(empty) == {"t1"}
    assert candidates(empty, "review_candidates") == [("s1", "flags"), ("t1", "all-truths")]
    assert candidates(empty, "replay_candidates") == [("t1", "all-truths")]
    assert counts(empty) == {"default": 1, "flags": 1, "all-truths": 1, "": 1}


def test_a_route_counts_from_its_place_in_the_log(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """What came before a route, or after it was taken back, is not its business, whenever the stream reads it."""
    append(empty, pepper, inference("i1"), truth("t1", "i1", 3))
    define(empty, pepper, {"route_id": "all", "sinks": ["review"]})
    append(empty, pepper, truth("t2", "i1", 3))
    with Session(empty.engine) as session:
        ProjectRoutes(session, 1).remove("all", Decider("a-key", pepper), utc_now())
        session.commit()
    append(empty, pepper, truth("t3", "i1", 3))
    catch_up(empty, settings)

    assert candidates(empty, "review_candidates") == [("t2", "all")]
    assert queued(empty) == {"t1", "t2", "t3"}


def test_a_model_is_routed_once_it_is_known(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Feedback that waits for its inference passes the model's route when that has come, and is unrouted no more."""
    define(
        empty,
        pepper,
        {"route_id": "default", "where": {"model_name": "digits"}, "sinks": ["training_queue", "review"]},
    )
    append(empty, pepper, truth("t1", "i1", 3))
    catch_up(empty, settings)
    before = candidates(empty, "review_candidates"), counts(empty)
    append(empty, pepper, inference("i1"))
    catch_up(empty, settings)

    assert before == ([], {"": 1})
    assert candidates(empty, "review_candidates") == [("t1", "default")]
    assert (queued(empty), counts(empty)) == ({"t1"}, {"default": 1})


def test_what_is_taken_back_is_no_candidate(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """A retraction takes feedback out of every place it was routed to, whichever comes first."""
    define(empty, pepper, {"route_id": "all", "where": {"feedback_types": ["ground_truth"]}, "sinks": ["review"]})
    ids = [f"01900000-0000-7000-8000-00000000000{n}" for n in range(4)]
    taken_back = [feedback(ids[n + 2], "i1", "retraction", {"retracts": ids[n]}) for n in range(2)]
    append(empty, pepper, inference("i1"), truth(ids[0], "i1", 3), taken_back[1])
    catch_up(empty, settings)
    append(empty, pepper, taken_back[0], truth(ids[1], "i1", 3))
    catch_up(empty, settings)

    assert (candidates(empty, "review_candidates"), queued(empty)) == ([], set())


def test_a_hold_ends_by_a_verdict(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Held feedback is in no queue; a reviewer's label on its inference lets it in, one that came before does not."""
    define(empty, pepper, HOLDING)
    append(empty, pepper, inference("i1"), verdict("v0", "i1"), truth("t1", "i1", 3, tags=DOUBT), truth("t2", "i1", 4))
    catch_up(empty, settings)
    before = queued(empty), held(empty)
    append(empty, pepper, verdict("v1", "i1"))
    catch_up(empty, settings)

    assert before == ({"v0", "t2"}, {"t1"})
    assert (queued(empty), held(empty)) == ({"v0", "t2", "t1", "v1"}, set())
    [(example,)] = rows(empty, "SELECT example->'inputs' FROM training_examples WHERE feedback_id = 't1'")
    assert example == {"pixels": [0, 1]}


def test_a_hold_ends_by_a_release(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """One feedback is let in by a fact that says who did."""
    define(empty, pepper, HOLDING)
    append(empty, pepper, inference("i1"), truth("t1", "i1", 3, tags=DOUBT), truth("t2", "i1", 3, tags=DOUBT))
    catch_up(empty, settings)
    with Session(empty.engine) as session:
        ProjectRoutes(session, 1).release("t1", Decider("a-key", pepper), utc_now())
        session.commit()
    catch_up(empty, settings)

    assert (queued(empty), held(empty)) == ({"t1"}, {"t2"})


def test_a_hold_ends_by_itself(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """By the first event that was received late enough, whenever the stream reads it."""
    define(empty, pepper, HOLDING)
    append_at(empty, pepper, NOON, inference("i1"), truth("t1", "i1", 3, tags=DOUBT))
    append_at(empty, pepper, NOON + timedelta(seconds=3_599), inference("i2"))
    catch_up(empty, settings)
    before = queued(empty)
    append_at(empty, pepper, NOON + timedelta(seconds=3_600), inference("i3"))
    catch_up(empty, settings)

    assert before == set()
    assert (queued(empty), held(empty)) == ({"t1"}, set())


def test_a_rebuild_ends_the_same(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Feedback, inferences, verdicts, releases and routes at random: whatever the batches, the same tables."""
    chance, at = random.Random(3), NOON
    for n in range(80):
        at += timedelta(seconds=chance.randrange(400))
        said = [inference(f"i{n}"), truth(f"t{n}", f"i{chance.randrange(n, n + 2)}", 3, tags=DOUBT)]
        said += [verdict(f"v{n}", f"i{chance.randrange(n + 1)}")] if chance.random() < 0.2 else []
        chance.shuffle(said)
        append_at(empty, pepper, at, *said)
        if chance.random() < 0.05:
            define(empty, pepper, {**HOLDING, "hold": bool(n % 2), "sinks": ["review"], "description": f"{n}"})
        if chance.random() < 0.3:
            catch_up(empty, settings)
            for name in sorted(held(empty))[:1]:
                with Session(empty.engine) as session:
                    ProjectRoutes(session, 1).release(name, Decider("a-key", pepper), utc_now())
                    session.commit()
    define(empty, pepper, {**HOLDING, "sinks": ["review"]})
    append_at(empty, pepper, at, inference("last"), truth("last", "last", 3, tags=DOUBT))
    catch_up(empty, settings)
    live = kept(empty)

    rebuild(empty, settings.model_copy(update={"stream_batch": 7}))

    assert len(live["held_feedback"]) > 0 and len(live["review_candidates"]) > 0
    assert kept(empty) == live


def test_what_attribution_knows_ahead_is_let_in_at_its_time(
    empty: Database, settings: Settings, pepper: Pepper
) -> None:
    """Released while its inference is unknown, it comes in with that; also where attribution is far ahead by now."""
    define(empty, pepper, HOLDING)
    append(empty, pepper, truth("t1", "i1", 3, tags=DOUBT))
    catch_up(empty, settings)
    with Session(empty.engine) as session:
        ProjectRoutes(session, 1).release("t1", Decider("a-key", pepper), utc_now())
        session.commit()
    append(empty, pepper, inference("i1"))
    catch_up(empty, settings)
    live = kept(empty)

    rebuild(empty, settings.model_copy(update={"stream_batch": 1}), ["routing", "trust", "training_queue"])

    assert queued(empty) == {"t1"} and kept(empty) == live
    assert rows(empty, "SELECT * FROM dead_letters") == []


def test_a_forgetful_hold_is_noticed(
    empty: Database, settings: Settings, pepper: Pepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: a queue that does not look at holds has what is held."""
    monkeypatch.setattr("feedback_loop.stream.routing.holds.is_held", lambda *_: False)
    define(empty, pepper, HOLDING)
    append(empty, pepper, inference("i1"), truth("t1", "i1", 3, tags=DOUBT))
    catch_up(empty, settings)

    assert queued(empty) == {"t1"}


def test_one_dead_sink_delays_no_other(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """A receiver fails all the time; the queue, the review and another receiver have theirs meanwhile."""
    with receiving(answering(500)) as dead, receiving() as well:
        ends = [endpoint(empty, pepper, receiver.url, "actor.suspended")[0] for receiver in (dead, well)]
        define(empty, pepper, {"route_id": "a", "sinks": ["webhook", "review"], "webhook_id": ends[0]})
        define(empty, pepper, {"route_id": "b", "sinks": ["webhook"], "webhook_id": ends[1]})
        append(empty, pepper, inference("i1"), *(truth(f"t{n}", "i1", 3) for n in range(3)))
        catch_up(empty, settings)
        with delivering(empty, pepper):
            well.wait(3)
            dead.wait(3)
            wait_for(lambda: states(empty).count("delivered") == 3)

    assert len(queued(empty)) == len(candidates(empty, "review_candidates")) == 3
    assert [b'"type":"feedback.routed"' in arrival.body for arrival in well.arrivals] == [True] * 3
    assert len(set(well.ids)) == 3 and states(empty).count("waiting") == 3


def test_a_rebuild_sends_nothing_again(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """What was routed to a webhook was told; the tables are made again without telling."""
    name, _ = endpoint(empty, pepper, "http://127.0.0.1/", "actor.suspended")
    define(empty, pepper, {"route_id": "a", "sinks": ["webhook"], "webhook_id": name})
    append(empty, pepper, inference("i1"), truth("t1", "i1", 3))
    catch_up(empty, settings)
    assert states(empty) == ["waiting"]
    with empty.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM webhook_messages")

    rebuild(empty, settings)

    assert states(empty) == []


def test_a_route_to_nobody_is_refused(empty: Database, pepper: Pepper) -> None:
    """An endpoint that the project does not have is no sink."""
    with pytest.raises(ValidationFailed) as told:
        define(empty, pepper, {"route_id": "a", "sinks": ["webhook"], "webhook_id": "we_none"})

    assert [(fault.pointer, fault.code) for fault in told.value.faults] == [("/webhook_id", "not-registered")]
    assert routes.DEFAULT.faults() == []
