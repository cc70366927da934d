"""Waits: what is late, what is orphaned, when that is told though nothing comes any more, and that a rebuild agrees."""

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import POLICY_SET
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.learning.policies.attribution import AttributionPolicy, Terms
from feedback_loop.stream.process import catch_up, leading
from feedback_loop.stream.rebuild import rebuild
from feedback_loop.stream.waits import TIME_PASSED
from tests.stream.events import append, feedback, inference, kept, tables, wipe

THUMBS = Terms(wait_s=10, early_s=5, default_reward=0.25, resolve="mean")
POLICY = AttributionPolicy(orphan_s=60, metrics={"satisfaction": THUMBS})
PROJECTS, ORDERS = 100, 40
TOLD = "SELECT project_id, feedback_id, state FROM live_feedback ORDER BY 1, 2"


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log."""
    wipe(database)
    return database


def policy(project_id: int = 1, wanted: AttributionPolicy = POLICY) -> Fact:
    """The fact that a project set its policy."""
    body = {"actor": "test", "subject": "attribution", "version": 1, "policy": wanted.as_data()}
    return Fact(project_id, POLICY_SET, f"policy {project_id}", body, utc_now())


def thumb(name: str, about: str, second: int) -> Fact:
    """A thumbs-up."""
    return feedback(name, about, "explicit_binary", {"positive": True}, second)


def states(database: Database) -> dict[int, dict[str, str]]:
    """The state of every feedback, by project."""
    found: dict[int, dict[str, str]] = {}
    with Session(database.engine) as session:
        for project_id, name, state in session.execute(text(TOLD)):
            found.setdefault(project_id, {})[name] = state
    return found


STORY = (
    inference("i", second=100),
    inference("quiet", second=100),
    thumb("late", "i", 111),
    thumb("soon", "i", 110),
    thumb("early", "i", 94),
    thumb("lost", "nobody", 100),
    feedback("shown", "i", "exposure", {"items": [{"item_id": "a", "position": 1}]}, 101),
    thumb("regretted", "i", 102),
    feedback("undo", "i", "retraction", {"retracts": "regretted"}, 103),
    feedback("edit", "i", "explicit_binary", {"positive": False}, 109, supersedes="soon"),
)
SAID = {"late": "late", "early": "mismatched", "lost": "orphaned"}


@pytest.mark.parametrize("stream_batch", [7, 2_000])
def test_every_order_ends_in_the_same_states(
    empty: Database, settings: Settings, pepper: Pepper, stream_batch: int
) -> None:
    """Many orders, each in a project of its own, cut in batches anyhow, while the log's time goes on between them."""
    chance = random.Random(stream_batch)
    told = {PROJECTS + n: chance.sample(STORY, len(STORY)) for n in range(ORDERS)}
    now = utc_now()
    append(empty, pepper, *(policy(project_id) for project_id in told), at=now)
    for place in range(len(STORY)):
        moment = now + timedelta(seconds=15 * place)
        append(empty, pepper, *(replace(order[place], project_id=n) for n, order in told.items()), at=moment)
    batched = settings.model_copy(update={"stream_batch": stream_batch})

    catch_up(empty, batched)
    append(empty, pepper, Fact(1, TIME_PASSED, "later", {}, now), at=now + timedelta(seconds=300))
    catch_up(empty, batched)

    expected = {fact.id: SAID.get(fact.id, "attributed") for fact in STORY[2:]}
    assert all(found == expected for found in states(empty).values())
    assert len(states(empty)) == ORDERS
    for table, rows in tables(empty).items():
        said = {project: [row[1:] for row in rows if row[0] == project] for project in told}
        assert all(said[project] == said[PROJECTS] for project in told), table
    assert {tuple(row) for row in worth(empty)} == {
        ("i", "attributed", 0.0, 1, None),
        ("quiet", "defaulted", 0.25, 0, None),
    }
    before = kept(empty)
    rebuild(empty, settings.model_copy(update={"stream_batch": chance.choice([3, 50])}))
    assert kept(empty) == before


def worth(database: Database) -> list[Any]:
    """What the inferences are worth."""
    query = "SELECT inference_request_id, state, reward, votes, feedback_id FROM live_rewards ORDER BY 1"
    with Session(database.engine) as session:
        return list(session.execute(text(query)))


def test_silence_is_given_its_default_without_another_event(
    empty: Database, settings: Settings, pepper: Pepper
) -> None:
    """Once the wait is over; what was said in time and is received afterwards replaces it, and what is undone gives it
    back."""
    append(empty, pepper, policy(), inference("i"))
    due = utc_now() + timedelta(seconds=10)
    with leading(empty, settings) as stream:
        assert stream.step() == 2
        pending = worth(empty)

        told, _ = stream.tell_time(due), stream.step()
        defaulted = worth(empty)
    append(empty, pepper, thumb("yes", "i", 5), thumb("no", "i", 6), thumb("late", "i", 11))
    catch_up(empty, settings)
    said = worth(empty)
    append(
        empty, pepper, *(feedback(f"undo {name}", "i", "retraction", {"retracts": name}, 7) for name in ("yes", "no"))
    )
    catch_up(empty, settings)

    assert told
    assert pending == [("i", "pending", None, 0, None)]
    assert defaulted == worth(empty) == [("i", "defaulted", 0.25, 0, None)]
    assert said == [("i", "attributed", 1.0, 2, None)]


def test_an_orphan_is_told_without_another_event(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """The stream tells the log that time has passed, once; an inference that comes after all takes the orphan in."""
    append(empty, pepper, policy(), thumb("lost", "i", 0))
    due = utc_now() + timedelta(seconds=60)
    with leading(empty, settings) as stream:
        assert stream.step() == 2

        told = [stream.tell_time(moment) for moment in (due - timedelta(seconds=1), due, due)]
        steps = [stream.step(), stream.tell_time(due), stream.step()]

        assert (told, steps) == ([False, True, True], [1, False, 0])
        assert states(empty) == {1: {"lost": "orphaned"}}
    append(empty, pepper, inference("i"))
    catch_up(empty, settings)

    assert states(empty) == {1: {"lost": "attributed"}}


def test_a_policy_counts_for_what_comes_after_it(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """An inference that was logged before it, and what is said of that, is judged as before."""
    append(empty, pepper, inference("old"), policy(), inference("new"))
    append(empty, pepper, thumb("on_old", "old", 60), thumb("on_new", "new", 60))

    catch_up(empty, settings)

    assert states(empty) == {1: {"on_old": "attributed", "on_new": "late"}}


def counted(database: Database) -> Any:
    """What the rolling metrics make of thumbs."""
    query = "SELECT sum(denominator) FROM live_metrics WHERE metric = 'satisfaction' AND segment = ''"
    with Session(database.engine) as session:
        return session.execute(text(query)).scalar()


def test_what_is_late_counts_nowhere(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Neither in metrics nor in the training queue."""
    append(empty, pepper, policy(), inference("i"), thumb("soon", "i", 10), thumb("late", "i", 11))

    catch_up(empty, settings)

    assert counted(empty) == 1
    with Session(empty.engine) as session:
        assert session.execute(text("SELECT feedback_id FROM training_examples")).scalars().all() == ["soon"]
