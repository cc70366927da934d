"""The queue in its order for one model, for a reader that keeps its own place and takes part in no group."""

from typing import Any

from sqlalchemy import text
from sqlmodel import Session

Place = tuple[int, int]
"""(ready_offset, log_offset) of the last example that was read."""

AFTER = text("""
SELECT feedback_id, log_offset, ready_offset, inference_request_id, model_version, label, weight, occurred_at,
       example::text
FROM training_examples
WHERE project_id = :project_id AND model_name = :model_name AND label IS NOT NULL
  AND (ready_offset, log_offset) > (:ready_offset, :log_offset)
ORDER BY ready_offset, log_offset LIMIT :limit
""")
NEWEST = text("""
SELECT ready_offset, log_offset FROM training_examples
WHERE project_id = :project_id AND model_name = :model_name AND label IS NOT NULL
ORDER BY ready_offset DESC, log_offset DESC OFFSET :skipped LIMIT 1
""")


def examples_after(
    session: Session, project_id: int, model_name: str, place: Place, limit: int
) -> list[dict[str, Any]]:
    """The labelled examples of a model behind `place`, in the order in which they became ready."""
    given = {"project_id": project_id, "model_name": model_name, "limit": limit}
    found = session.execute(AFTER, {**given, "ready_offset": place[0], "log_offset": place[1]})
    return [dict(row) for row in found.mappings()]


def newest_place(session: Session, project_id: int, model_name: str, examples: int) -> Place:
    """The place behind which the newest `examples` labelled ones stand; the beginning where there are not so many."""
    given = {"project_id": project_id, "model_name": model_name, "skipped": examples}
    row = session.execute(NEWEST, given).first()
    return (row.ready_offset, row.log_offset) if row else (0, 0)
