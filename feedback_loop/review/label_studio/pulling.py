"""Pulling: annotations are read from Label Studio itself, whoever told of them, and become labels of the gateway."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session

from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import Decider
from feedback_ingest.errors import Forbidden, ValidationFailed
from feedback_ingest.postgres import Database
from feedback_loop.learning.label_studio import EXTERNAL_ID, value_of
from feedback_loop.review.items import item
from feedback_loop.review.label_studio.server import PAGE, LabelStudio
from feedback_loop.review.outside.exports import Bound, longest_unread, looked_at, named
from feedback_loop.review.outside.labels import OutsideLabel, give

MOST = 2_000
"""Tasks that one pull looks at; those that it does not reach come first in the next one."""


def pull(
    database: Database, server: LabelStudio, at: Bound, remote: int, decider: Decider, before: datetime
) -> Counter[str]:
    """Looks at tasks that are out and open and were not looked at since `before`; by outcome, the annotations.

    It asks for the tasks and not for what changed: Label Studio notes a change after the annotation, so a kill between
    the two would hide it.
    """
    outcomes = Counter[str]()
    for _ in range(0, MOST, PAGE):
        with Session(database.engine) as session:
            tasks = longest_unread(session, at, before, PAGE)
        if not tasks:
            break
        outcomes += read(database, server, at, remote, tasks, decider, utc_now())
    return outcomes


def pull_named(
    database: Database, server: LabelStudio, at: Bound, remote: int, remote_ids: Sequence[str], decider: Decider,
    now: datetime,
) -> Counter[str]:  # fmt: skip
    """Looks at some of the tasks there; those that are not ours are left out."""
    with Session(database.engine) as session:
        tasks = named(session, at, remote_ids[:PAGE])
    return read(database, server, at, remote, tasks, decider, now) if tasks else Counter()


def read(
    database: Database, server: LabelStudio, at: Bound, remote: int, tasks: Sequence[Mapping[str, Any]],
    decider: Decider, now: datetime,
) -> Counter[str]:  # fmt: skip
    """Reads at most PAGE tasks there and gives their annotations to the gateway, each in a transaction of its own."""
    by_id = {task["task_id"]: task for task in tasks}
    outcomes = Counter[str]()
    for there in server.tasks(remote, f"data.{EXTERNAL_ID}", by_id):
        task = by_id[there["data"][EXTERNAL_ID]]
        for annotation in there["annotations"]:
            if not annotation["was_cancelled"]:
                outcomes[_given(database, at, task, annotation, decider, now)] += 1
    with Session(database.engine) as session:
        looked_at(session, at, list(by_id), now)
        session.commit()
    return outcomes


def _given(
    database: Database, at: Bound, task: Mapping[str, Any], annotation: Mapping[str, Any], decider: Decider,
    now: datetime,
) -> str:  # fmt: skip
    """What became of an annotation; `unusable` where it does not answer what the queue asks, or is of a stranger."""
    by = annotation["completed_by"]
    reviewer = f"{at.tool}:{by['id'] if isinstance(by, Mapping) else by}"
    with Session(database.engine) as session:
        value = value_of(at.queue, annotation["result"], item(session, at.project_id, at.queue, task))
        if value is None:
            return "unusable"
        try:
            became = give(
                session, at.queue, OutsideLabel(at.project_id, task["task_id"], reviewer, value), decider, now
            )
        except (ValidationFailed, Forbidden):
            return "unusable"
        session.commit()
    return became
