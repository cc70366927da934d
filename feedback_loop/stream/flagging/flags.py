"""Flags, as whoever opens items reads them: those that came behind a place in the log."""

from typing import Any

from sqlalchemy import text
from sqlmodel import Session

CHANNEL = "feedback_review"
"""LISTEN here to be woken when there is something to open, flagged or routed; the payload is empty."""
PIECE = 500
# Of one offset come all or none, so a reader that goes on behind the last one misses nothing.
NEWLY = text("""
SELECT policy_id, policy_version, queue_id, inference_request_id, feedback_id, reason, share, per_day, priority,
       flagged_offset, flagged_at
FROM review_flags WHERE project_id = :project_id AND flagged_offset > :after
ORDER BY flagged_offset FETCH FIRST :piece ROWS WITH TIES
""")


def newly(session: Session, project_id: int, after: int) -> list[dict[str, Any]]:
    """Some of the flags that events behind the offset `after` raised, in the order of those events."""
    given = {"project_id": project_id, "after": after, "piece": PIECE}
    return [dict(row) for row in session.execute(NEWLY, given).mappings()]
