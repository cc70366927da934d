"""What was asked lately, and what those who are listened to said of it, from the live tables, for learning.bias."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, select

from feedback_ingest import log
from feedback_loop.learning import bias
from feedback_loop.learning.bias import WINDOW, Report
from feedback_loop.learning.influence import liking
from feedback_loop.learning.segments import Admitted
from feedback_loop.stream.tables import LiveSegment
from feedback_loop.stream.trusting.verdicts import UNHEARD

MODELS = text("""
SELECT model_name FROM live_metrics WHERE project_id = :project GROUP BY model_name ORDER BY model_name LIMIT 10
""")
VOICES = text(f"""
WITH asked AS MATERIALIZED (
    SELECT e.inference_request_id, i.answer
    FROM staging.feedback_events e
    JOIN live_inferences i ON i.project_id = e.project_id AND i.inference_request_id = e.id
    WHERE e.project_id = :project AND e.kind = 'inference' AND e.log_offset > :after AND i.model_name = :model
    ORDER BY e.log_offset DESC LIMIT :window
)
SELECT a.inference_request_id, a.answer ->> 'segments', (a.answer ->> 'confidence')::float, f.row
FROM asked a
LEFT JOIN staging.feedback_events e ON e.project_id = :project AND e.kind = 'feedback'
    AND e.inference_request_id = a.inference_request_id
LEFT JOIN live_feedback f ON f.project_id = e.project_id AND f.feedback_id = e.id
    AND NOT ({UNHEARD})
ORDER BY a.inference_request_id
""")
REACH = 500_000
"""How far back in the log they are looked for."""

POSITIONS = ("exposure", "implicit_click")


def bias_of(session: Session, project_id: int, model_name: str | None = None) -> dict[str, Report]:
    """By model of the project (ten at most, by name), or of the one named, what is found of its newest feedback."""
    names = [model_name] if model_name is not None else session.execute(MODELS, {"project": project_id}).scalars()
    known = session.exec(select(LiveSegment).where(LiveSegment.project_id == project_id)).all()
    admitted = Admitted((each.project_id, each.name, each.value) for each in known)
    found = {name: _judged(session, project_id, name, admitted) for name in names}
    return {name: report for name, report in found.items() if report.served}


def _judged(session: Session, project_id: int, model_name: str, admitted: Admitted) -> Report:
    asked: dict[str, tuple[str | None, float | None, list[Mapping[str, Any]]]] = {}
    after = log.head(session) - REACH
    named = {"project": project_id, "model": model_name, "window": WINDOW, "after": after}
    for request, segments, confidence, row in session.execute(VOICES, named):
        said = asked.setdefault(request, (segments, confidence, []))[2]
        if row is not None:
            said.append(row)
    tally = bias.tally(
        project_id,
        ((segments, confidence, bias.voice_of(said)) for segments, confidence, said in asked.values()),
        admitted,
    )
    shown = bias.positions_of(
        row for _, _, said in asked.values() for row in said if row["feedback_type"] in POSITIONS and _counts(row)
    )
    liked = liking(_dated(row) for _, _, said in asked.values() for row in said)
    return bias.judge(tally, shown, liked)


def _dated(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its time of receipt, which is text in the table."""
    return {**row, "received_at": datetime.fromisoformat(row["received_at"])}


def _counts(row: Mapping[str, Any]) -> bool:
    return row["state"] == "attributed" and not row["is_undone"]
