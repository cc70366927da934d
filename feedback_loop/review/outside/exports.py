"""Which tasks are out at a tool, which are to go there, and which to look at next."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.postgres import Database
from feedback_loop.learning.reviewing import Place, ReviewQueue

BOUND = text("""
SELECT q.project_id, p.name, q.definition FROM review_queues q JOIN projects p ON p.project_id = q.project_id
WHERE q.definition ->> 'judged_in' = :tool ORDER BY q.project_id, q.queue_id
""")
UNSENT = text("""
SELECT task_id, queue_id, inference_request_id, feedback_id, rank_at FROM review_tasks t
WHERE t.project_id = :project_id AND t.queue_id = :queue_id AND t.state = 'open' AND NOT EXISTS (
    SELECT FROM review_exports e WHERE e.project_id = t.project_id AND e.task_id = t.task_id)
ORDER BY t.rank_at, t.task_id LIMIT :limit
""")
SENT = text("""
INSERT INTO review_exports (project_id, task_id, queue_id, tool, remote_id, exported_at, read_at)
SELECT :project_id, n.task_id, :queue_id, :tool, n.remote_id, :now, :now
FROM unnest(CAST(:task_ids AS text[]), CAST(:remote_ids AS text[])) AS n(task_id, remote_id)
ON CONFLICT (project_id, task_id) DO UPDATE SET remote_id = excluded.remote_id
""")
OUT = """
SELECT e.task_id, e.remote_id, t.queue_id, t.inference_request_id, t.feedback_id FROM review_exports e
JOIN review_tasks t ON t.project_id = e.project_id AND t.task_id = e.task_id
WHERE e.project_id = :project_id AND e.queue_id = :queue_id AND e.tool = :tool AND t.state = 'open'
"""
LONGEST_UNREAD = text(f"{OUT} AND e.read_at < :before ORDER BY e.read_at, e.task_id LIMIT :limit")
NAMED = text(f"{OUT} AND e.remote_id = ANY(CAST(:remote_ids AS text[]))")
FORGET = text("""
DELETE FROM review_exports e USING review_tasks t
WHERE t.project_id = e.project_id AND t.task_id = e.task_id AND t.state = 'open'
  AND e.project_id = :project_id AND e.queue_id = :queue_id AND e.tool = :tool AND e.remote_id = :remote_id
""")
READ = text("""
UPDATE review_exports SET read_at = :now WHERE project_id = :project_id AND task_id = ANY(CAST(:task_ids AS text[]))
""")


class Bound(NamedTuple):
    """A queue that is judged in `tool`, and whose it is."""

    project_id: int
    project: str
    queue: ReviewQueue
    tool: Place

    @property
    def given(self) -> dict[str, Any]:
        """Its name, as parameters."""
        return {"project_id": self.project_id, "queue_id": self.queue.queue_id, "tool": self.tool}


def bound(session: Session, tool: Place) -> list[Bound]:
    """Every queue that is judged in a tool."""
    rows = session.execute(BOUND, {"tool": tool})
    return [Bound(row.project_id, row.name, msgspec.convert(row.definition, ReviewQueue), tool) for row in rows]


@contextmanager
def alone(database: Database, at: Bound) -> Iterator[bool]:
    """Whether nobody else sends this queue's items now, and for as long as the block lasts nobody will."""
    key = {"key": f"review exports {at.project_id} {at.queue.queue_id}"}
    with database.engine.connect() as connection:
        got = connection.execute(text("SELECT pg_try_advisory_lock(hashtextextended(:key, 0))"), key).scalar_one()
        connection.commit()
        try:
            yield got
        finally:
            if got:
                connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:key, 0))"), key)


def unsent(session: Session, at: Bound, limit: int) -> list[Mapping[str, Any]]:
    """Open tasks that are not out, the most urgent first."""
    return [dict(row) for row in session.execute(UNSENT, at.given | {"limit": limit}).mappings()]


def record(session: Session, at: Bound, sent: Mapping[str, str], now: datetime) -> None:
    """Notes by task under which id it is out; the caller commits."""
    named = {"task_ids": list(sent), "remote_ids": list(sent.values()), "now": now}
    session.execute(SENT, at.given | named)


def longest_unread(session: Session, at: Bound, before: datetime, limit: int) -> list[Mapping[str, Any]]:
    """Tasks that are out and still open, those first that were looked at the longest ago."""
    found = session.execute(LONGEST_UNREAD, at.given | {"before": before, "limit": limit})
    return [dict(row) for row in found.mappings()]


def named(session: Session, at: Bound, remote_ids: Sequence[str]) -> list[Mapping[str, Any]]:
    """Those of `remote_ids` that are out and still open."""
    return [dict(row) for row in session.execute(NAMED, at.given | {"remote_ids": list(remote_ids)}).mappings()]


def forget(session: Session, at: Bound, remote_id: str) -> None:
    """What is out under an id and still open is not out any more; the caller commits."""
    session.execute(FORGET, at.given | {"remote_id": remote_id})


def looked_at(session: Session, at: Bound, task_ids: Sequence[str], now: datetime) -> None:
    """They are looked at again after the others; the caller commits."""
    session.execute(READ, at.given | {"task_ids": list(task_ids), "now": now})
