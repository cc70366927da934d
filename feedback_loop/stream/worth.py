"""What those who are heard said lately of a project's models, from the live tables, for learning.fidelity to judge."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, select

from feedback_ingest import log
from feedback_loop.learning.fidelity import WINDOW, Fidelity, fidelities
from feedback_loop.learning.segments import Admitted
from feedback_loop.stream.tables import LiveSegment
from feedback_loop.stream.trusting.verdicts import UNHEARD

SAID = text(f"""
WITH said AS MATERIALIZED (
    SELECT e.id FROM staging.feedback_events e
    WHERE e.project_id = :project AND e.kind = 'feedback' AND e.log_offset > :after
    ORDER BY e.log_offset DESC LIMIT :window
)
SELECT f.row, i.answer ->> 'occurred_at', i.answer ->> 'segments'
FROM said s
JOIN live_feedback f ON f.project_id = :project AND f.feedback_id = s.id
LEFT JOIN live_inferences i ON i.project_id = :project AND i.inference_request_id = f.inference_request_id
WHERE (cast(:model AS text) IS NULL OR f.model_name = :model) AND NOT ({UNHEARD})
""")
REACH = 500_000
"""How far back in the log it is looked for."""


def fidelity_of(session: Session, project_id: int, model_name: str | None = None) -> dict[str, list[Fidelity]]:
    """By model of the project, or of the one named, what its newest feedback is worth."""
    known = session.exec(select(LiveSegment).where(LiveSegment.project_id == project_id)).all()
    admitted = Admitted((each.project_id, each.name, each.value) for each in known)
    asked = {"project": project_id, "model": model_name, "window": WINDOW, "after": log.head(session) - REACH}
    said: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row, asked_at, segments in session.execute(SAID, asked):
        said[row["model_name"]].append({**row, "asked_at": asked_at, "asked_segments": segments})
    return {name: fidelities(project_id, rows, admitted) for name, rows in sorted(said.items())}
