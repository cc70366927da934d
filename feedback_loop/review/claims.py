"""Claims: an item given to one reviewer for a time; never more reviewers an item than its labels, nor one twice.

An item's row says how many more may have it; whoever takes it locks the row, and others skip what is locked.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.errors import NotFound, TaskMovedOn
from feedback_loop.learning.reviewing import ReviewQueue, gives_gold

TASK = (
    "t.task_id, t.queue_id, t.inference_request_id, t.feedback_id, t.reason, t.priority, t.rank_at, t.is_gold, "
    "t.gold_answer, t.state, t.wanted, t.labels, t.free"
)
OVER = text("""
WITH gone AS (
    UPDATE review_assignments a SET state = 'expired', leased_until = NULL
    WHERE a.state = 'leased' AND (a.project_id, a.task_id, a.reviewer) IN (
        SELECT project_id, task_id, reviewer FROM review_assignments
        WHERE project_id = :project_id AND queue_id = :queue_id AND state = 'leased' AND leased_until <= :now
        ORDER BY leased_until LIMIT 100 FOR UPDATE SKIP LOCKED)
    RETURNING a.project_id, a.task_id)
UPDATE review_tasks t SET free = t.free + g.times
FROM (SELECT project_id, task_id, count(*) AS times FROM gone GROUP BY 1, 2) g
WHERE t.project_id = g.project_id AND t.task_id = g.task_id AND t.state = 'open' AND NOT t.is_gold
""")
ANY_OVER = text("""
SELECT EXISTS (SELECT FROM review_assignments WHERE project_id = :project_id AND queue_id = :queue_id
               AND state = 'leased' AND leased_until <= :now)
       AND pg_try_advisory_xact_lock(hashtextextended(:key, 0))
""")
COUNTS = text("""
SELECT count(*) FILTER (WHERE state = 'leased') AS leased,
       count(*) FILTER (WHERE state = 'submitted') AS submitted,
       count(*) FILTER (WHERE state = 'submitted' AND at >= :midnight) AS today
FROM review_assignments WHERE project_id = :project_id AND queue_id = :queue_id AND reviewer = :reviewer
""")
# Whoever had an item and lost it, by time or by choice, may have it again.
MINE = """
SELECT FROM review_assignments a WHERE a.project_id = t.project_id AND a.task_id = t.task_id
AND a.reviewer = :reviewer AND a.state NOT IN ('released', 'expired')
"""
NEXT = text(f"""
SELECT found.* FROM unnest(CAST(:skills AS text[])) AS s(skill) CROSS JOIN LATERAL (
    SELECT {TASK} FROM review_tasks t
    WHERE t.project_id = :project_id AND t.queue_id = :queue_id AND t.skill = s.skill AND t.free > 0 AND NOT t.is_gold
      AND NOT EXISTS ({MINE})
    ORDER BY t.rank_at, t.task_id LIMIT 1 FOR UPDATE OF t SKIP LOCKED) found
ORDER BY found.rank_at, found.task_id LIMIT 1
""")
NEXT_GOLD = text(f"""
SELECT {TASK} FROM review_tasks t
WHERE t.project_id = :project_id AND t.queue_id = :queue_id AND t.is_gold AND t.skill = ANY(CAST(:skills AS text[]))
  AND NOT EXISTS ({MINE})
ORDER BY md5(t.task_id || :reviewer) LIMIT 1
""")
TAKE = text("UPDATE review_tasks SET free = free - 1 WHERE project_id = :project_id AND task_id = :task_id")
LEASE = text("""
INSERT INTO review_assignments AS a
    (project_id, task_id, reviewer, queue_id, state, lease_id, leased_until, answer, at)
VALUES (:project_id, :task_id, :reviewer, :queue_id, 'leased', :lease_id, :leased_until, '', :now)
ON CONFLICT (project_id, task_id, reviewer) DO UPDATE
SET state = 'leased', lease_id = excluded.lease_id, leased_until = excluded.leased_until, at = excluded.at
WHERE a.state IN ('released', 'expired') RETURNING a.task_id
""")
HELD = text(f"""
SELECT {TASK}, a.lease_id, a.leased_until FROM review_assignments a
JOIN review_tasks t ON t.project_id = a.project_id AND t.task_id = a.task_id
WHERE a.project_id = :project_id AND a.queue_id = :queue_id AND a.reviewer = :reviewer AND a.state = 'leased'
  AND a.leased_until > :now AND a.task_id <> ALL(CAST(:besides AS text[])) AND t.state = 'open'
ORDER BY a.at LIMIT 1
""")
LOCK_MINE = text("""
SELECT state, lease_id, answer FROM review_assignments
WHERE project_id = :project_id AND task_id = :task_id AND reviewer = :reviewer FOR UPDATE
""")
LOCK_TASK = text(f"SELECT {TASK} FROM review_tasks t WHERE project_id = :project_id AND task_id = :task_id FOR UPDATE")
LET_GO = text("""
UPDATE review_assignments SET state = 'released', leased_until = NULL
WHERE project_id = :project_id AND task_id = :task_id AND reviewer = :reviewer
""")
ONE_MORE = text("""
UPDATE review_tasks SET free = free + 1
WHERE project_id = :project_id AND task_id = :task_id AND state = 'open' AND NOT is_gold
""")


EMPTY = "empty"
"""The reason where the queue holds nothing for the reviewer."""


class Lease(NamedTuple):
    """On what terms an item is given: to which reviewer of which project, under which id, from when."""

    project_id: int
    reviewer: str
    lease_id: str
    now: datetime


class Claimed(NamedTuple):
    """The task as a row with its lease_id and leased_until, or None with the reason why there is none."""

    task: Mapping[str, Any] | None
    reason: str | None = None


def claim(session: Session, queue: ReviewQueue, lease: Lease, besides: list[str]) -> Claimed:
    """The next item for a reviewer of the queue; the caller commits.

    First one that the reviewer holds already and that is not among `besides`, the ids of those at hand.
    """
    if queue.judged_in != "here":
        return Claimed(None, "judged-elsewhere")
    given = {"project_id": lease.project_id, "queue_id": queue.queue_id, "reviewer": lease.reviewer, "now": lease.now}
    end_leases(session, lease.project_id, queue.queue_id, lease.now)
    held = session.execute(HELD, given | {"besides": besides}).mappings().first()
    if held is not None:
        return Claimed(dict(held))
    midnight = lease.now.replace(hour=0, minute=0, second=0, microsecond=0)
    counts = session.execute(COUNTS, given | {"midnight": midnight}).one()
    limit = queue.of(lease.reviewer).max_per_day
    if counts.leased >= queue.max_leases:
        return Claimed(None, "too-many-leases")
    if limit is not None and counts.today + counts.leased >= limit:
        return Claimed(None, "daily-limit")
    given["skills"] = ["", *queue.of(lease.reviewer).skills]
    found = _next(session, queue, given, counts.submitted + counts.leased)
    if found is None:
        return Claimed(None, EMPTY)
    until = lease.now + timedelta(seconds=queue.lease_s)
    mine = given | {"task_id": found["task_id"], "lease_id": lease.lease_id, "leased_until": until}
    if not found["is_gold"]:
        session.execute(TAKE, mine)
    if session.execute(LEASE, mine).first() is None:  # the same reviewer took it at this moment, in another window
        session.rollback()
        return claim(session, queue, lease, besides)
    return Claimed({**found, "lease_id": lease.lease_id, "leased_until": until})


def take(session: Session, queue: ReviewQueue, lease: Lease, task: Mapping[str, Any]) -> bool:
    """Gives this very task, locked by the caller, to somebody who has judged it already; the caller commits.

    False where this reviewer had it before, or where as many as it wants have it.
    """
    if task["free"] < 1 and not task["is_gold"]:
        return False
    mine = {"project_id": lease.project_id, "queue_id": queue.queue_id, "reviewer": lease.reviewer, "now": lease.now}
    mine |= {"task_id": task["task_id"], "lease_id": lease.lease_id, "leased_until": lease.now}
    if session.execute(LEASE, mine).first() is None:
        return False
    if not task["is_gold"]:
        session.execute(TAKE, mine)
    return True


def end_leases(session: Session, project_id: int, queue_id: str, now: datetime) -> None:
    """Takes items back whose time is over; where another process is at it, it is left to that. The caller commits."""
    given = {"project_id": project_id, "queue_id": queue_id, "now": now}
    if session.execute(ANY_OVER, given | {"key": f"review over {project_id} {queue_id}"}).scalar_one():
        session.execute(OVER, given)


def locked(
    session: Session, project_id: int, task_id: str, reviewer: str, lease_id: str
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The reviewer's part in a task and the task, for this transaction alone.

    Raises NotFound where there is no such part, TaskMovedOn where the lease is over and nothing was submitted.
    """
    given = {"project_id": project_id, "task_id": task_id, "reviewer": reviewer}
    part = session.execute(LOCK_MINE, given).mappings().first()
    if part is None:
        raise NotFound()
    if part["lease_id"] != lease_id or part["state"] not in ("leased", "submitted"):
        raise TaskMovedOn()
    return dict(part), dict(session.execute(LOCK_TASK, given).mappings().one())


def release(session: Session, project_id: int, task_id: str, reviewer: str, lease_id: str) -> None:
    """Gives an item back, so that anybody may have it, this reviewer too; the caller commits. Raises as `locked`."""
    part, _ = locked(session, project_id, task_id, reviewer, lease_id)
    if part["state"] != "leased":
        raise TaskMovedOn()
    given = {"project_id": project_id, "task_id": task_id, "reviewer": reviewer}
    session.execute(LET_GO, given)
    session.execute(ONE_MORE, given)


def _next(session: Session, queue: ReviewQueue, given: Mapping[str, Any], nth: int) -> Mapping[str, Any] | None:
    if gives_gold(queue, given["reviewer"], nth):
        gold = session.execute(NEXT_GOLD, given).mappings().first()
        if gold is not None:
            return dict(gold)
    found = session.execute(NEXT, given).mappings().first()
    return dict(found) if found else None
