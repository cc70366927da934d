"""Any order of arrival ends in the same tables: many orders of many histories, in batches of every size."""

import random
from collections import defaultdict
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.canonical import Pepper
from feedback_ingest.log import Fact, LogRow
from feedback_ingest.postgres import Database
from feedback_ingest.settings import Settings
from feedback_loop.stream.process import catch_up
from tests.learning.stories import facts
from tests.stream.events import append, recount, tables, wipe

ORDERS = 12
PROJECTS = count(1000)
CONTENT = {
    "live_feedback": "project_id, feedback_id, state, model_name, model_version, label, reward, correct, is_undone",
    "live_metrics": (
        "project_id, model_name, model_version, metric, segment, bucket_start, numerator, denominator, squares, weights"
    ),
    "live_votes": "project_id, inference_request_id, question, answer, votes",
    "live_segments": "project_id, name, value",
    "training_examples": "project_id, feedback_id, model_name, model_version, label, reward, weight, example::text",
}


def orders(story: list[LogRow], chance: random.Random) -> dict[int, list[Fact]]:
    """The story in many orders of arrival, each told to a project of its own."""
    told = {}
    for _ in range(ORDERS):
        project = next(PROJECTS)
        order = chance.sample(story, len(story))
        told[project] = [Fact(project, row.kind, row.id, row.body, row.occurred_at) for row in order]
    return told


def shuffled_together(told: dict[int, list[Fact]], chance: random.Random) -> list[Fact]:
    """All projects' facts in one log, each project's in its own order."""
    turns = [project for project, sent in told.items() for _ in sent]
    chance.shuffle(turns)
    waiting = {project: iter(sent) for project, sent in told.items()}
    return [next(waiting[project]) for project in turns]


def by_project(database: Database) -> dict[str, dict[int, list[Any]]]:
    """What the tables say of each project, without the project."""
    found: dict[str, dict[int, list[Any]]] = {}
    with Session(database.engine) as session:
        for table, columns in CONTENT.items():
            order = ", ".join(str(place + 1) for place in range(columns.count(",") + 1))
            of = found[table] = defaultdict(list)
            for project, *rest in session.execute(text(f"SELECT {columns} FROM {table} ORDER BY {order}")):
                of[project].append(rest)
    return found


@pytest.mark.slow
@trying(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=facts())
def test_any_order_of_arrival_ends_the_same(
    database: Database, settings: Settings, pepper: Pepper, story: list[LogRow]
) -> None:
    """Inferences, feedback, retractions and edits in a dozen orders: one table, and the batch driver's numbers."""
    wipe(database)
    chance = random.Random(len(story))
    told = orders(story, chance)
    sent = shuffled_together(told, chance)
    cut = chance.randrange(len(sent) + 1)

    for part in (sent[:cut], sent[cut:]):
        append(database, pepper, *part)
        catch_up(database, settings.model_copy(update={"stream_batch": chance.choice([1, 3, 50, 2000])}))

    for table, of in by_project(database).items():
        first = of[min(told)]
        assert all(of[project] == first for project in told), table
    assert tables(database)["live_metrics"] == recount(database, settings.bucket_s)
