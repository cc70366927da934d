"""What was stored, read back: one feedback, one inference; always of the key's own project."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy import text
from sqlmodel import Session

from api.access import Reading, ReadKey
from feedback_ingest import log
from feedback_ingest.errors import NotFound
from feedback_ingest.log import LogRow
from feedback_ingest.names import canonical_uuid
from feedback_ingest.receive import Sender
from feedback_ingest.tables import EventKey
from feedback_loop.stream.tables import LiveFeedback

router = APIRouter(tags=["read"])
ABOUT = text("""
SELECT log_offset FROM staging.known_events
WHERE project_id = :project_id AND inference_request_id = :name AND kind = 'feedback'
ORDER BY log_offset DESC LIMIT 1000
""")


@router.get("/v1/feedback/{feedback_id}", summary="The event as sent, and what the server added")
def show_feedback(feedback_id: str, sender: ReadKey, session: Reading) -> dict[str, Any]:
    """404 where the project has no such feedback; `user_id` is shown as its pseudonym."""
    row = _event(session, sender, "feedback", canonical_uuid(feedback_id) or "")
    live = session.get(LiveFeedback, (sender.project_id, row.id))
    attribution: dict[str, Any] = {"state": live.state if live else "pending"}
    if live is not None:
        attribution |= {"model_name": live.model_name, "inference_offset": live.inference_offset}
    return {**_as_stored(row), "feedback_id": row.id, "attribution": attribution}


@router.get("/v1/inferences/{inference_request_id}", summary="One logged inference")
def show_inference(inference_request_id: str, sender: ReadKey, session: Reading) -> dict[str, Any]:
    """404 where the project has no such inference."""
    return _as_stored(_event(session, sender, "inference", inference_request_id))


@router.get("/v1/inferences/{inference_request_id}/feedback", summary="All feedback about one inference")
def show_feedback_of(inference_request_id: str, sender: ReadKey, session: Reading) -> dict[str, Any]:
    """The newest 1,000 in the order of the log; empty where there is none, or none yet."""
    about = {"project_id": sender.project_id, "name": inference_request_id}
    found = log.at(session, session.execute(ABOUT, about).scalars().all())
    return {"feedback": [{"feedback_id": row.id, **_as_stored(row)} for _, row in sorted(found.items())]}


def _event(session: Session, sender: Sender, kind: str, name: str) -> LogRow:
    key = session.get(EventKey, (sender.project_id, kind, name))
    if key is None:
        raise NotFound()
    return log.at(session, [key.log_offset])[key.log_offset]


def _as_stored(row: LogRow) -> dict[str, Any]:
    return {**row.body, "offset": row.log_offset, "received_at": row.received_at}
