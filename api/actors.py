"""End users over HTTP: whom the loop does not listen to and why, suspended and restored by hand."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from msgspec import Meta

from api.access import AdminKey, Reading, decider_of
from api.json_bodies import Body, body, cursor_of, described
from feedback_ingest.clock import utc_now
from feedback_loop.stream.trusting.actors import ProjectActors, pseudonym_of

router = APIRouter(tags=["administration"])
PAGE = 100
Actor = Annotated[str, Path(min_length=1, max_length=256)]


class Decision(Body):
    """Why; it is kept in the log."""

    reason: Annotated[str, Meta(min_length=1, max_length=1_000, pattern=r"\S")] = "by hand"


@router.get("/v1/actors", summary="The end users of whom something was decided")
def list_actors(
    sender: AdminKey, session: Reading, cursor: Annotated[str | None, Query(max_length=20)] = None
) -> dict[str, Any]:
    """By pseudonym, with the last decision about each, newest first, a hundred a page."""
    found = ProjectActors(session, sender.project_id).listed(PAGE, cursor_of(cursor))
    return {"actors": found, "next_cursor": str(found[-1]["offset"]) if len(found) == PAGE else None}


@router.get("/v1/actors/{actor}", summary="One end user: what was decided and what they did")
def show_actor(actor: Actor, sender: AdminKey, request: Request, session: Reading) -> dict[str, Any]:
    """Named by pseudonym, or by the `user_id` that the application knows. Nobody is told that they are suspended."""
    subject = pseudonym_of(decider_of(request, sender).pepper, sender.project_id, actor)
    return ProjectActors(session, sender.project_id).show(subject)


@router.post("/v1/actors/{actor}/suspend", summary="Stop listening to an end user", openapi_extra=described(Decision))
def suspend_actor(
    actor: Actor, sender: AdminKey, request: Request, session: Reading, wanted: Annotated[Decision, body(Decision)]
) -> dict[str, Any]:
    """Their feedback is stored and answered as before; none of it is learnt from, and none counted from now on."""
    decider = decider_of(request, sender)
    subject = pseudonym_of(decider.pepper, sender.project_id, actor)
    answer = ProjectActors(session, sender.project_id).suspend(subject, wanted.reason, decider, utc_now())
    session.commit()
    return answer


@router.post("/v1/actors/{actor}/restore", summary="Listen to an end user again", openapi_extra=described(Decision))
def restore_actor(
    actor: Actor, sender: AdminKey, request: Request, session: Reading, wanted: Annotated[Decision, body(Decision)]
) -> dict[str, Any]:
    """What they said meanwhile is learnt from; the stream does not suspend them again, because a person said so."""
    decider = decider_of(request, sender)
    subject = pseudonym_of(decider.pepper, sender.project_id, actor)
    answer = ProjectActors(session, sender.project_id).restore(subject, wanted.reason, decider, utc_now())
    session.commit()
    return answer
