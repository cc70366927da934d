"""Claims: examples given to a trainer for a time, oldest first; acknowledged, given back, or lent anew when it is over.

A group remembers how far it was handed out and keeps a row only for what is out: an acknowledgement deletes it. The
order of the queue is that of the events which made the examples ready, so it survives a rebuild.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlmodel import Session

from feedback_loop.stream.queue.tables import TrainingGroup

CLAIM_BYTES = 4_194_304
PIECE = 100
COLUMNS = """
e.feedback_id, e.log_offset, e.ready_offset, e.inference_request_id, e.model_name, e.model_version, e.label, e.reward,
e.weight, e.occurred_at, e.received_at, e.queued_at, e.example::text AS example
"""
END = text("""
SELECT ready_offset, log_offset FROM training_examples
WHERE project_id = :project_id ORDER BY ready_offset DESC, log_offset DESC LIMIT 1
""")
FRESH = text(f"""
SELECT {COLUMNS}, 0 AS attempt FROM training_examples e
WHERE e.project_id = :project_id
  AND (e.ready_offset, e.log_offset) > (:ready_offset, :log_offset)
  AND (e.ready_offset, e.log_offset) <= (:end_ready, :end_log)
  AND (CAST(:model_name AS text) IS NULL OR e.model_name = :model_name)
ORDER BY e.ready_offset, e.log_offset LIMIT :limit
""")
OVERDUE = text(f"""
SELECT {COLUMNS}, c.attempt FROM training_claims c
JOIN training_examples e ON e.project_id = c.project_id AND e.feedback_id = c.feedback_id
WHERE c.project_id = :project_id AND c.group_name = :name AND c.leased_until <= :now
ORDER BY e.ready_offset, e.log_offset LIMIT :limit
""")
# A rebuild has not come to it yet where the queue stands before it.
WITHDRAWN = """
NOT EXISTS (SELECT FROM training_examples e WHERE e.project_id = c.project_id AND e.feedback_id = c.feedback_id)
AND c.ready_offset <= coalesce((SELECT log_offset FROM consumer_positions WHERE name = 'training_queue'), 0)
"""
LET_GO = text(f"""
DELETE FROM training_claims c
WHERE c.project_id = :project_id AND c.group_name = :name AND c.leased_until <= :now AND {WITHDRAWN}
""")
LEND = text("""
INSERT INTO training_claims AS c
    (project_id, group_name, feedback_id, ready_offset, claim_id, worker, attempt, leased_until)
SELECT :project_id, :name, u.feedback_id, u.ready_offset, :claim_id, :worker, 1, :leased_until
FROM unnest(CAST(:ids AS text[]), CAST(:ready AS bigint[])) AS u(feedback_id, ready_offset)
ON CONFLICT (project_id, group_name, feedback_id) DO UPDATE
SET claim_id = excluded.claim_id, worker = excluded.worker, leased_until = excluded.leased_until,
    attempt = c.attempt + 1
""")
ACKNOWLEDGE = text(f"""
DELETE FROM training_claims c
WHERE c.project_id = :project_id AND c.group_name = :name AND c.claim_id = :claim_id
  AND (CAST(:ids AS text[]) IS NULL OR c.feedback_id = ANY(CAST(:ids AS text[])))
RETURNING c.feedback_id, {WITHDRAWN} AS withdrawn
""")
GIVE_BACK = text("""
UPDATE training_claims c SET leased_until = :now
WHERE c.project_id = :project_id AND c.group_name = :name AND c.claim_id = :claim_id
  AND (CAST(:ids AS text[]) IS NULL OR c.feedback_id = ANY(CAST(:ids AS text[])))
RETURNING c.feedback_id
""")


class Lease(NamedTuple):
    """On what terms examples are given: to whom, under which id, from when and until when."""

    claim_id: str
    worker: str
    now: datetime
    lease_s: int

    @property
    def leased_until(self) -> datetime:
        """When another may have what is not acknowledged."""
        return self.now + timedelta(seconds=self.lease_s)


class Acknowledged(NamedTuple):
    """Feedback ids: learnt from and done with; of those, taken back meanwhile; no longer this claim's."""

    done: list[str]
    withdrawn: list[str]
    lost: list[str]


def claim(session: Session, group: TrainingGroup, lease: Lease, limit: int) -> list[dict[str, Any]]:
    """At most `limit` examples (and about CLAIM_BYTES) for a trainer of `group`, which is locked; the caller commits.

    First what was lent and is overdue, then what was never lent, each oldest first.
    """
    given = {"project_id": group.project_id, "name": group.name, "now": lease.now, "limit": limit}
    session.execute(LET_GO, given)
    rows, is_full = _fitting(session, OVERDUE, given, 0)
    if len(rows) < limit and not is_full:
        rows += _fresh(session, group, lease.now, limit - len(rows), sum(len(row["example"]) for row in rows))
    if rows:
        lent = {"ids": [row["feedback_id"] for row in rows], "ready": [row["ready_offset"] for row in rows]}
        terms = {"claim_id": lease.claim_id, "worker": lease.worker, "leased_until": lease.leased_until}
        session.execute(LEND, given | lent | terms)
    return [row | {"attempt": row["attempt"] + 1} for row in rows]


def acknowledge(session: Session, group: TrainingGroup, claim_id: str, ids: Sequence[str] | None) -> Acknowledged:
    """Ends the claim on `ids` (default: on all of it); they are not handed out to the group again."""
    given = {"project_id": group.project_id, "name": group.name, "claim_id": claim_id}
    rows = session.execute(ACKNOWLEDGE, given | {"ids": None if ids is None else list(ids)}).all()
    done = {row.feedback_id for row in rows}
    lost = [name for name in dict.fromkeys(ids or ()) if name not in done]
    return Acknowledged(sorted(done), sorted(row.feedback_id for row in rows if row.withdrawn), lost)


def give_back(
    session: Session, group: TrainingGroup, claim_id: str, ids: Sequence[str] | None, now: datetime
) -> list[str]:
    """Ends the lease of `ids` (default: of the whole claim), so that the next claim has them; which it was."""
    given = {"project_id": group.project_id, "name": group.name, "claim_id": claim_id, "now": now}
    return sorted(session.execute(GIVE_BACK, given | {"ids": None if ids is None else list(ids)}).scalars())


def _fresh(session: Session, group: TrainingGroup, now: datetime, limit: int, size: int) -> list[dict[str, Any]]:
    """What was never lent, and moves the group behind it; behind all there is, where that is all that is for it."""
    end = session.execute(END, {"project_id": group.project_id}).first()
    if end is None:
        return []
    given = group.model_dump() | {"end_ready": end.ready_offset, "end_log": end.log_offset, "limit": limit}
    rows, is_full = _fitting(session, FRESH, given, size)
    is_partial = is_full or len(rows) == limit
    place = (rows[-1]["ready_offset"], rows[-1]["log_offset"]) if is_partial else tuple(end)
    if place > (group.ready_offset, group.log_offset):
        group.ready_offset, group.log_offset = place
        group.moved_at = now
        session.add(group)
        session.flush()
    return rows


def _fitting(session: Session, query: Any, given: dict[str, Any], size: int) -> tuple[list[dict[str, Any]], bool]:
    """The first rows of a query whose examples fit into a claim beside `size` bytes, and whether it is full then."""
    rows: list[dict[str, Any]] = []
    found = session.execute(query, given, execution_options={"yield_per": PIECE})
    for row in found.mappings():
        rows.append(dict(row))
        size += len(row["example"])
        if size >= CLAIM_BYTES:
            found.close()
            return rows, True
    return rows, False
