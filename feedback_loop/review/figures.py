"""How a queue is doing: what waits, how far its reviewers agree, how each did on gold, what an expert is to decide."""

from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from feedback_loop.learning.agreement import krippendorff_alpha
from feedback_loop.learning.reviewing import ReviewQueue
from feedback_loop.review.judging import records

COUNTED = 100_000
NEWEST = 20_000
"""Alpha is of this many of the newest labels."""
WAITING = text("""
SELECT count(*) FROM (SELECT FROM review_tasks WHERE project_id = :project_id AND queue_id = :queue_id
                      AND free > 0 AND NOT is_gold LIMIT :counted) w
""")
TO_DECIDE = text("""
SELECT state, count(*) FROM review_tasks
WHERE project_id = :project_id AND queue_id = :queue_id AND (state = 'disputed' OR state = 'escalated') GROUP BY state
""")
REVIEWERS = text("""
SELECT reviewer, count(*) FILTER (WHERE state = 'submitted') AS labels,
       count(*) FILTER (WHERE state = 'submitted' AND at >= :midnight) AS today,
       count(*) FILTER (WHERE state = 'leased' AND leased_until > :now) AS leased,
       count(*) FILTER (WHERE state = 'skipped') AS skipped, count(*) FILTER (WHERE state = 'escalated') AS escalated
FROM review_assignments WHERE project_id = :project_id AND queue_id = :queue_id GROUP BY reviewer ORDER BY reviewer
""")
LABELS = text("""
SELECT array_agg(answer) FROM (
    SELECT task_id, answer FROM review_assignments
    WHERE project_id = :project_id AND queue_id = :queue_id AND answer <> '' ORDER BY at DESC LIMIT :newest) n
GROUP BY task_id
""")
OPEN_FOR_EXPERTS = text("""
SELECT t.task_id, t.state, t.reason, t.inference_request_id, t.feedback_id, t.priority, t.opened_at, t.outcome,
       (SELECT coalesce(json_agg(json_build_object('reviewer', reviewer, 'value', value) ORDER BY reviewer), '[]')
        FROM review_assignments a
        WHERE a.project_id = t.project_id AND a.task_id = t.task_id AND a.state = 'submitted') AS labels
FROM review_tasks t
WHERE t.project_id = :project_id AND t.queue_id = :queue_id AND (t.state = 'disputed' OR t.state = 'escalated')
ORDER BY t.opened_at, t.task_id LIMIT :limit
""")


def stats(session: Session, project_id: int, queue: ReviewQueue, now: Any) -> dict[str, Any]:
    """`waiting` is counted up to COUNTED; `alpha` is Krippendorff's, nominal, None where there is nothing to tell."""
    given = {"project_id": project_id, "queue_id": queue.queue_id, "now": now}
    given["midnight"] = now.replace(hour=0, minute=0, second=0, microsecond=0)
    waiting = session.execute(WAITING, given | {"counted": COUNTED}).scalar_one()
    to_decide = {"disputed": 0, "escalated": 0} | {row[0]: row[1] for row in session.execute(TO_DECIDE, given)}
    gold = records(session, project_id, queue.queue_id)
    reviewers = []
    for row in session.execute(REVIEWERS, given).mappings():
        record = gold.get(row["reviewer"])
        told = {"asked": record.asked, "right": record.right} if record else {"asked": 0, "right": 0}
        reviewers.append({**row, "gold": told})
    units = session.execute(LABELS, given | {"newest": NEWEST}).scalars()
    return {
        "queue_id": queue.queue_id,
        "waiting": waiting,
        "leased": sum(each["leased"] for each in reviewers),
        "labels": sum(each["labels"] for each in reviewers),
        **to_decide,
        "alpha": krippendorff_alpha(units),
        "reviewers": reviewers,
    }


def open_for_experts(session: Session, project_id: int, queue_id: str, limit: int) -> list[dict[str, Any]]:
    """What is disputed or escalated, the oldest first, with the labels that were given."""
    given = {"project_id": project_id, "queue_id": queue_id, "limit": limit}
    return [dict(row) for row in session.execute(OPEN_FOR_EXPERTS, given).mappings()]
