"""Candidates for review, as whoever opens items reads them: those that came behind a place in the log."""

from typing import Any

from sqlalchemy import text
from sqlmodel import Session

PIECE = 500
# Of one offset come all or none, so a reader that goes on behind the last one misses nothing.
NEWLY = text("""
SELECT feedback_id, route_id, inference_request_id, reason, routed_offset FROM review_candidates
WHERE project_id = :project_id AND routed_offset > :after ORDER BY routed_offset FETCH FIRST :piece ROWS WITH TIES
""")


def newly(session: Session, project_id: int, after: int) -> list[dict[str, Any]]:
    """Some of the candidates that were routed by events behind the offset `after`, in the order of those events."""
    given = {"project_id": project_id, "after": after, "piece": PIECE}
    return [dict(row) for row in session.execute(NEWLY, given).mappings()]
