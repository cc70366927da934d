"""What was stored, read back: one feedback, one inference; always of the key's own project."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from sqlalchemy import text
from sqlmodel import Session
from starlette.routing import Match
from starlette.types import Scope

from api import openapi
from api.access import Reading, ReadKey
from feedback_ingest import log
from feedback_ingest.errors import Fault, NotFound, ValidationFailed
from feedback_ingest.feedback_types import collect
from feedback_ingest.log import LogRow
from feedback_ingest.names import canonical_uuid
from feedback_ingest.receive import Sender
from feedback_ingest.tables import EventKey
from feedback_loop.stream.tables import LiveFeedback


class AskedRoute(APIRoute):
    """A route that is there only where something is asked: without a query its path takes what is posted, no more."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is meant."""
        return super().matches(scope) if scope["query_string"] else (Match.NONE, {})


router = APIRouter(tags=["read"])
LOOKED = 1_000
NEWEST = text("""
SELECT log_offset FROM staging.known_events
WHERE project_id = :project_id AND kind = 'feedback' AND log_offset < :before
ORDER BY log_offset DESC LIMIT :limit
""")
ABOUT = text("""
SELECT log_offset FROM staging.known_events
WHERE project_id = :project_id AND inference_request_id = :name AND kind = 'feedback'
ORDER BY log_offset DESC LIMIT 1000
""")


def list_feedback(
    sender: ReadKey,
    session: Reading,
    feedback_type: Annotated[str | None, Query(max_length=64)] = None,
    model_version: Annotated[str | None, Query(max_length=256)] = None,
    before: Annotated[int, Query(ge=0, le=2**53 - 1)] = 2**53 - 1,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> dict[str, Any]:
    """Events as sent, with their offsets; `next_before` asks for older ones, and is null at the end.

    Give at least one parameter. Where a type or a version is asked for, one answer looks through 1,000 events: it may
    hold few, or none, and a `next_before`.
    """
    if feedback_type is not None and feedback_type not in collect():
        fault = Fault("/feedback_type", "unknown-name")
        raise ValidationFailed(f"give one of {', '.join(collect())}", (fault,))
    asked = {"feedback_type": feedback_type, "model_version": model_version}
    wanted = {name: value for name, value in asked.items() if value is not None}
    found, next_before = newest(session, sender.project_id, before, limit, wanted)
    return {"feedback": [{"feedback_id": row.id, **_as_stored(row)} for row in found], "next_before": next_before}


router.add_api_route(
    "/v1/feedback",
    list_feedback,
    methods=["GET"],
    summary="Feedback, newest first; give at least one parameter",
    responses=openapi.answers(405),
    route_class_override=AskedRoute,
)


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


def newest(
    session: Session, project_id: int, before: int, limit: int, wanted: Mapping[str, str]
) -> tuple[list[LogRow], int | None]:
    """The newest feedback with an offset below `before` whose members are as `wanted`, and where to look on."""
    looked = LOOKED if wanted else limit
    asked = {"project_id": project_id, "before": before, "limit": looked}
    offsets = session.execute(NEWEST, asked).scalars().all()
    rows = log.at(session, offsets)
    fitting = [rows[at] for at in offsets if all(rows[at].body.get(name) == value for name, value in wanted.items())]
    if len(fitting) >= limit:
        return fitting[:limit], fitting[limit - 1].log_offset
    return fitting, offsets[-1] if len(offsets) == looked else None


def _event(session: Session, sender: Sender, kind: str, name: str) -> LogRow:
    key = session.get(EventKey, (sender.project_id, kind, name))
    if key is None:
        raise NotFound(f"No {kind} of that id is stored in this project.")
    return log.at(session, [key.log_offset])[key.log_offset]


def _as_stored(row: LogRow) -> dict[str, Any]:
    return {**row.body, "offset": row.log_offset, "received_at": row.received_at}
