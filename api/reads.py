"""What was stored, read back: one feedback, one inference; always of the key's own project."""

from datetime import datetime
from typing import Any

import orjson
from fastapi import APIRouter
from sqlmodel import Session, col, select

from api.access import Reading, ReadKey
from feedback_ingest.errors import NotFound
from feedback_ingest.names import canonical_uuid
from feedback_ingest.receive import Sender
from feedback_ingest.tables import EventKey, FeedbackEvent
from feedback_loop.stream.tables import LiveFeedback

router = APIRouter(tags=["read"])


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
    wanted = select(FeedbackEvent).where(
        FeedbackEvent.project_id == sender.project_id,
        FeedbackEvent.inference_request_id == inference_request_id,
        FeedbackEvent.kind == "feedback",
    )
    rows = session.exec(wanted.order_by(col(FeedbackEvent.log_offset).desc()).limit(1_000)).all()
    return {"feedback": [{"feedback_id": row.id, **_as_stored(row)} for row in reversed(rows)]}


def _event(session: Session, sender: Sender, kind: str, name: str) -> FeedbackEvent:
    key = session.get(EventKey, (sender.project_id, kind, name))
    row = session.get(FeedbackEvent, key.log_offset) if key else None
    if row is None:
        raise NotFound()
    return row


def _as_stored(row: FeedbackEvent) -> dict[str, Any]:
    added: dict[str, datetime | int] = {"offset": row.log_offset, "received_at": row.received_at}
    return {**orjson.loads(row.body), **added}
