"""Queues under many hands: each item has exactly its labels, by different people, and the tables are the log's."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from feedback_ingest.canonical import Pepper
from feedback_ingest.postgres import Database
from feedback_loop.learning.reviewing import ReviewQueue
from feedback_loop.review import judging
from feedback_loop.review.claims import LOCK_MINE, LOCK_TASK
from feedback_loop.review.folding import rebuild
from tests.review.reviewers import Office


def office(database: Database, pepper: Pepper, name: str, **told: Any) -> Office:
    """A queue that asks three, each for ten seconds."""
    return Office(database, pepper, ReviewQueue(queue_id=name, overlap=3, lease_s=10, max_leases=100, **told))


def people_of(found: Mapping[str, list[str]]) -> set[tuple[int, int]]:
    """How many labels, and of how many people, the items have."""
    return {(len(people), len(set(people))) for people in found.values()}


def tables(session: Session) -> dict[str, list[Any]]:
    """What the tables say, but for leases and what became of them without a word."""
    found = {}
    for name in ("review_queues", "review_tasks", "review_assignments"):
        said = "WHERE state NOT IN ('leased', 'expired', 'released')" if name == "review_assignments" else ""
        rows = session.execute(text(f"SELECT to_jsonb(t) - 'lease_id' FROM {name} t {said} ORDER BY 1"))
        found[name] = list(rows.scalars())
    return found


@pytest.mark.parametrize(("people", "items"), [(50, 20), pytest.param(50, 500, marks=pytest.mark.chaos)])
def test_each_item_has_exactly_its_labels(database: Database, pepper: Pepper, people: int, items: int) -> None:
    """Fifty at once, of whom some vanish with an item and some come back too late: three labels of three people each.

    Each has one verdict or is disputed, and all of it is folded from the log again.
    """
    name = f"crowd-{items}"
    crowd = office(database, pepper, name)
    opened = crowd.open(items)

    crowd.finish(people)

    found = crowd.labels()
    assert found.keys() == set(opened) and people_of(found) == {(3, 3)}
    assert crowd.late.total() > 0, "nobody came late, so nothing was tried"
    with crowd.session() as session:
        rows = session.execute(text("SELECT task_id, state FROM review_tasks WHERE queue_id = :q"), {"q": name})
        states = dict(tuple(row) for row in rows)
    assert set(states.values()) <= {"decided", "disputed"}
    verdicts = crowd.verdicts()
    assert {task: verdicts[task] for task in opened} == {task: int(states[task] == "decided") for task in opened}


def test_the_tables_are_folded_from_the_log(database: Database, pepper: Pepper) -> None:
    """Emptied and read anew they say the same; a table that lost a label would not."""
    crowd = office(database, pepper, "folded", gold_share=0.3)
    crowd.open(5)
    for number in range(4):
        reviewer = f"p{number}"
        for label in ("cat", "dog"):
            crowd.submit(reviewer, crowd.claim(reviewer), label)
    held = crowd.claim("p9")
    with crowd.session() as session:
        before = tables(session)
        free = session.execute(text("SELECT free FROM review_tasks WHERE task_id = :t"), {"t": held["task_id"]}).one()
        rebuild(session)
        after = tables(session)
        freed = session.execute(text("SELECT free FROM review_tasks WHERE task_id = :t"), {"t": held["task_id"]}).one()

    assert freed[0] == free[0] + 1, "its lease ended"
    for table in (before["review_tasks"], after["review_tasks"]):
        for row in table:
            row.pop("free")
    assert before == after and len(after["review_assignments"]) >= 8


def too_late(crowd: Office) -> int:
    """How many labels an item has when three take it, forget it, three others label it, and the first come back."""
    crowd.open(1)
    first = [(name, crowd.claim(name)) for name in ("a", "b", "c")]
    crowd.pass_a_lease()
    second = [(name, crowd.claim(name)) for name in ("d", "e", "f")]
    for name, task in second + first:
        crowd.submit(name, task, "cat")
    [people] = crowd.labels().values()
    return len(people)


def test_whoever_comes_too_late_adds_no_label(
    database: Database, pepper: Pepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted, with the late ones taken at their word and no constraint behind, an item has six labels for three."""
    assert too_late(office(database, pepper, "careful")) == 3

    def trusting(session: Session, project_id: int, task_id: str, reviewer: str, lease_id: str) -> Any:
        given = {"project_id": project_id, "task_id": task_id, "reviewer": reviewer}
        part = dict(session.execute(LOCK_MINE, given).mappings().one())
        task = dict(session.execute(LOCK_TASK, given).mappings().one())
        return part | {"state": "leased"}, task | {"state": "open"}

    monkeypatch.setattr(judging, "locked", trusting)
    with pytest.raises(IntegrityError, match="never_more_than_wanted"):
        too_late(office(database, pepper, "bound"))
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE review_tasks DROP CONSTRAINT never_more_than_wanted"))
    assert too_late(office(database, pepper, "trusting")) == 6
