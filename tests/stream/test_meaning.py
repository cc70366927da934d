"""What the stream makes of the log: who is attributed, counted and queued, and that a rebuild makes the same."""

import random
from dataclasses import replace
from itertools import permutations

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.canonical import Pepper
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.process import catch_up
from feedback_loop.stream.rebuild import rebuild
from tests.stream.events import append, feedback, inference, recount, tables, truth, wipe

STORY = (
    inference("i1", answer=3),
    truth("t1", "i1", 3, second=1),
    truth("t2", "i1", 4, second=2, supersedes="t1"),
    feedback("thumb", "i1", "explicit_binary", {"positive": False}, second=3),
    feedback("undo", "i1", "retraction", {"retracts": "thumb"}, second=4),
)


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log."""
    wipe(database)
    return database


@pytest.mark.parametrize("stream_batch", [1, 5, 17, 600])
def test_every_order_of_arrival_ends_the_same(
    empty: Database, settings: Settings, pepper: Pepper, stream_batch: int
) -> None:
    """All 120 orders of {inference, feedback, edit, thumb, retraction}, each in a project of its own: one table."""
    told = {100 + n: order for n, order in enumerate(permutations(STORY))}
    append(empty, pepper, *(replace(fact, project_id=n) for n, order in told.items() for fact in order))

    catch_up(empty, settings.model_copy(update={"stream_batch": stream_batch}))

    for table, rows in tables(empty).items():
        said = {project: [row[1:] for row in rows if row[0] == project] for project in told}
        assert all(said[project] == said[100] for project in told), table
    assert [row[1] for row in tables(empty)["training_examples"] if row[0] == 100] == ["t2"]


def test_feedback_waits_for_its_inference(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Before its inference a feedback is pending and counts nowhere; afterwards it is attributed and queued."""
    append(empty, pepper, truth("early", "later", 3))
    catch_up(empty, settings)
    before = tables(empty)

    append(empty, pepper, inference("later"))
    catch_up(empty, settings)

    after = tables(empty)
    assert [row[3] for row in before["live_feedback"]] == ["pending"]
    assert before["training_examples"] == before["live_metrics"] == []
    assert [row[3] for row in after["live_feedback"]] == ["attributed"]
    assert len(after["training_examples"]) == 1


def test_another_model_version_is_kept_apart(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Feedback that names another version than the logged one is flagged, and moves no metric."""
    append(empty, pepper, inference("i", version="m2"), truth("t", "i", 3))
    catch_up(empty, settings)

    after = tables(empty)
    assert [row[3] for row in after["live_feedback"]] == ["mismatched"]
    assert after["training_examples"] == []
    assert {row[3] for row in after["live_metrics"]} == {"clicks_per_answer", "correction_rate", "volume"}


def test_without_consent_nothing_is_learnt(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """It still counts as a rating of the model; it never enters the training queue."""
    context = {"user_id": "p_1", "consent": {"training": False}}
    append(empty, pepper, inference("i"), truth("t", "i", 3, user_context=context))
    catch_up(empty, settings)

    assert tables(empty)["training_examples"] == []
    assert ("accuracy", 1) in {(row[3], row[6]) for row in tables(empty)["live_metrics"]}


def test_live_numbers_equal_a_recount(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """A shuffled history in batches of odd sizes: the rolling metrics equal the batch driver's, digit for digit."""
    chance = random.Random(7)
    facts = []
    for n in range(400):
        facts.append(inference(f"i{n}", answer=chance.randrange(3), version=chance.choice(["m1", "m2"]), second=n))
        facts.append(truth(f"t{n}", f"i{n}", chance.randrange(3), second=n + chance.randrange(90)))
        facts.append(feedback(f"r{n}", f"i{n}", "explicit_rating", {"score": 1 + chance.randrange(5)}, second=n))
        if chance.random() < 0.2:
            facts.append(feedback(f"u{n}", f"i{n}", "retraction", {"retracts": f"r{n}"}, second=n + 5))
    chance.shuffle(facts)
    while facts:
        size = chance.randrange(1, 150)
        append(empty, pepper, *facts[:size])
        del facts[:size]
        catch_up(empty, settings)

    assert tables(empty)["live_metrics"] == recount(empty, settings.bucket_s)


def test_a_rebuild_ends_where_the_stream_was(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Throwing every live table away loses nothing; alerts are read back from the log, not decided again."""
    facts = [inference(f"i{n}") for n in range(100)] + [truth(f"t{n}", f"i{n}", 3 if n < 50 else 4) for n in range(100)]
    append(empty, pepper, *facts)
    catch_up(empty, settings)
    before = tables(empty)
    with Session(empty.engine) as session:
        alerts = session.execute(text("SELECT * FROM alerts")).all()
        facts_before = session.execute(text("SELECT count(*) FROM staging.feedback_events")).scalar_one()

    rebuild(empty, settings)

    with Session(empty.engine) as session:
        assert session.execute(text("SELECT * FROM alerts")).all() == alerts
        assert session.execute(text("SELECT count(*) FROM staging.feedback_events")).scalar_one() == facts_before
    assert tables(empty) == before
    assert [alert.state for alert in alerts] == ["raised"]
