"""Poisoning: what one user, a brigade and made-up ids can do to metrics and datasets; each finds its planted bug."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import ibis
import pyarrow as pa
import pytest
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_ingest.tables import Project
from feedback_loop.learning.attribution import attributed
from feedback_loop.learning.datasets import labeled_set
from feedback_loop.learning.enrichers import enriched
from feedback_loop.learning.rows import feedback_row, inference_row
from feedback_loop.learning.schemas import FEEDBACK_SCHEMA, INFERENCE_SCHEMA
from feedback_loop.learning.trust.standings import HELD, KINDS, SUSPENDED, Verdict, trusted, verdict_of
from feedback_loop.stream.consumers import attribution
from feedback_loop.stream.process import catch_up
from tests.stream.events import NOON, append, feedback, inference
from tests.stream.outboxes import rows, wipe_all

SATISFIED = """
SELECT sum(numerator) / sum(denominator) FROM live_metrics WHERE metric = 'satisfaction' AND segment = ''
"""


@pytest.fixture
def empty(database: Database) -> Database:
    """The module's database with an empty log."""
    wipe_all(database)
    return database


def said(number: int, about: str, user: str, kind: str, value: dict[str, Any], second: int = 0) -> Fact:
    """What a user says."""
    name = str(UUID(int=(7 << 76) | (2 << 62) | number))
    fact = feedback(name, about, kind, value, second)
    fact.body["user_context"] = {"user_id": user}
    return fact


def told(database: Database, *kinds: str) -> list[log.LogRow]:
    """The facts of some kinds, in order."""
    with Session(database.engine) as session:
        return log.read(session, 0, 1_000_000, kinds)


def flooded(database: Database, settings: Settings, pepper: Pepper, honest: int, spam: int) -> float:
    """How far the spam of one user moves the mean of thumbs of so many honest ones, in shares of the scale."""
    append(database, pepper, *(inference(f"i{n}") for n in range(500)))
    crowd = [said(n, f"i{n % 500}", f"p_{n}", "explicit_binary", {"positive": n % 5 > 0}) for n in range(honest)]
    flood = [said(honest + n, f"i{n % 500}", "p_evil", "explicit_binary", {"positive": False}) for n in range(spam)]
    everything = [*crowd, *flood]
    random.Random(7).shuffle(everything)
    for start in range(0, len(everything), 5_000):
        append(database, pepper, *everything[start : start + 5_000])
    catch_up(database, settings, within_s=400)
    return abs(float(rows(database, SATISFIED)[0][0]) - 0.8)


@pytest.mark.parametrize(("honest", "spam"), [(2_000, 1_000), pytest.param(50_000, 10_000, marks=pytest.mark.chaos)])
def test_one_user_moves_no_metric_and_is_suspended(
    empty: Database, settings: Settings, pepper: Pepper, honest: int, spam: int
) -> None:
    """Failure test 51: less than half a percent of the scale, told within a batch, and nothing of it in the queue."""
    moved = flooded(empty, settings, pepper, honest, spam)

    [suspended] = told(empty, SUSPENDED)
    assert moved < 0.005 * (10 if honest < 10_000 else 1)
    assert (suspended.body["subject"], suspended.body["signal"]) == ("p_evil", "burst")
    assert rows(empty, "SELECT count(*) FROM training_examples") == [(honest,)]


def test_without_an_end_to_votes_the_flood_is_seen(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """The planted bug `endless_votes`."""
    endless_votes = settings.model_copy(update={"votes_a_day": 0})

    assert flooded(empty, endless_votes, pepper, 2_000, 1_000) > 0.1


def append_at(database: Database, pepper: Pepper, at: datetime, facts: Sequence[Fact]) -> None:
    """Commits facts as received at that time."""
    append(database, pepper, *facts, at=at)


def label_error(database: Database, verdicts: Sequence[Verdict]) -> tuple[float, set[str]]:
    """How many of a dataset's labels are wrong by weight (right is 3), and whose they are."""
    with Session(database.engine) as session:
        found = log.read(session, 0, 1_000_000)
    events = pa.Table.from_pylist([row for each in found if (row := feedback_row(each))], FEEDBACK_SCHEMA)
    asked = pa.Table.from_pylist([row for each in found if (row := inference_row(each))], INFERENCE_SCHEMA)
    about, given = ibis.memtable(events), ibis.memtable(asked)
    heard = trusted(enriched(attributed(about, given), given), verdicts)
    dataset = labeled_set(heard, 0.2).to_pyarrow().to_pylist()
    wrong = sum(row["weight"] for row in dataset if row["label"] != "3")
    return wrong / sum(row["weight"] for row in dataset), {row["user_ref"] for row in dataset}


def test_a_brigade_is_held_and_teaches_nothing(empty: Database, settings: Settings, pepper: Pepper) -> None:
    """Failure test 52: 300 new users with flipped labels of one version within the hour, among sixty known ones.

    The planted bug `all_heard`: were they all listened to, the labels would be wrong several times as often.
    """
    chance = random.Random(3)
    yesterday = [inference(f"i{n}", 3, second=-86_400) for n in range(600)]
    yesterday += [
        said(n, f"i{n}", f"p_{n % 60}", "explicit_label", {"label": 3 if chance.random() < 0.9 else 4}, -86_400)
        for n in range(300)
    ]
    today = [
        said(1_000 + n, f"i{300 + n}", f"p_{n % 60}", "explicit_label", {"label": 3 if chance.random() < 0.9 else 4})
        for n in range(300)
    ]
    append_at(empty, pepper, NOON - timedelta(days=1), yesterday)
    append_at(empty, pepper, NOON, today)
    catch_up(empty, settings)
    clean, _ = label_error(empty, [])
    brigade = [said(2_000 + n, f"i{n * 2 % 600}", f"p_new{n}", "explicit_label", {"label": 4}, 60) for n in range(300)]
    for start in range(0, 300, 50):
        append_at(empty, pepper, NOON + timedelta(minutes=start / 10), brigade[start : start + 50])
        catch_up(empty, settings)

    held = told(empty, HELD)
    dirty, users = label_error(empty, [verdict_of(row) for row in told(empty, *KINDS)])
    all_heard, _ = label_error(empty, [])
    [first, *_] = told(empty, "brigade_detected")
    assert dirty < 2 * clean < all_heard
    assert len(held) > 250 and {row.body["signal"] for row in held} == {"brigade"}
    assert not {row.body["subject"] for row in held} & users
    assert first.body["model_version"] == "m1" and "new users within 2 hours" in first.body["reason"]
    assert rows(empty, "SELECT count(*) FROM training_examples WHERE label = '4'")[0][0] < 150


def stranger(database: Database) -> int:
    """Another project."""
    with Session(database.engine) as session:
        project = Project(name="elsewhere")
        session.add(project)
        session.commit()
        assert project.project_id is not None
        return project.project_id


def test_what_is_said_of_unknown_answers_counts_nowhere(
    empty: Database, settings: Settings, pepper: Pepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failure test 53: an id nobody logged, and one of another project: pending, in no metric, queue or dataset.

    The planted bug `of_any_project`: an attribution that forgets whose answer it is.
    """
    other = stranger(empty)
    theirs = inference("theirs")
    made_up = [
        said(n, about, f"p_{n}", "explicit_label", {"label": 4}) for n, about in enumerate(("nobody's", "theirs"))
    ]

    def seen() -> tuple[list[Any], int, set[Any]]:
        wipe_all(empty)
        append(empty, pepper, Fact(other, theirs.kind, theirs.id, theirs.body, theirs.occurred_at), *made_up)
        catch_up(empty, settings)
        judged = rows(empty, "SELECT DISTINCT state FROM live_feedback")
        counted = rows(empty, "SELECT count(*) FROM live_metrics WHERE metric = 'accuracy' AND project_id = 1")
        return judged, int(counted[0][0]), set(rows(empty, "SELECT label FROM training_examples"))

    assert seen() == ([("pending",)], 0, set())

    def of_any_project(row: Any) -> tuple[int, str]:
        return (other, row["inference_request_id"])

    monkeypatch.setattr(attribution, "about", of_any_project)
    assert seen() != ([("pending",)], 0, set())
