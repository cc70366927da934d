"""Routes over HTTP: where feedback goes, and what is held back until somebody has looked at it."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from api import openapi
from api.access import AdminKey, Reading, ReadKey, ReviewKey, decider_of
from api.json_bodies import body, described
from feedback_ingest.clock import utc_now
from feedback_ingest.names import canonical_uuid
from feedback_loop.learning.routes import Route
from feedback_loop.stream.routing.book import UNROUTED, Counted, ProjectRoutes

router = APIRouter(tags=["routes"])
PAGE = 1_000


@router.get("/v1/routes", summary="The routes in force, and how much each took")
def list_routes(sender: ReadKey, session: Reading) -> dict[str, Any]:
    """By id; a route of version 0 is the default. `unrouted` counts the feedback that no route took."""
    mine = ProjectRoutes(session, sender.project_id)
    return {"routes": [_shown(each) for each in mine.every()], "unrouted": mine.counts().get(UNROUTED, 0)}


@router.post(
    "/v1/routes",
    status_code=201,
    summary="Define a route, or change one",
    openapi_extra=described(Route),
    responses=openapi.CHANGED,
)
def define_route(
    sender: AdminKey, request: Request, response: Response, session: Reading, wanted: Annotated[Route, body(Route)]
) -> dict[str, Any]:
    """It counts for feedback that comes after it; what was routed before stays where it is."""
    mine = ProjectRoutes(session, sender.project_id)
    is_new = mine.define(wanted, decider_of(request, sender), utc_now())
    answer = next(_shown(each) for each in mine.every() if each.route.route_id == wanted.route_id)
    session.commit()
    response.status_code = 201 if is_new else 200
    return answer


@router.delete("/v1/routes/{route_id}", summary="Take a route back")
def remove_route(route_id: str, sender: AdminKey, request: Request, session: Reading) -> dict[str, Any]:
    """The default one too: what no other route takes is unrouted then. What it held back stays so until its end."""
    ProjectRoutes(session, sender.project_id).remove(route_id, decider_of(request, sender), utc_now())
    session.commit()
    return {"removed": route_id}


@router.get("/v1/held", summary="Feedback that is held back now, the next to end first")
def list_held(sender: ReviewKey, session: Reading) -> dict[str, Any]:
    """A thousand at most, each with the routes that hold it and until when at the latest."""
    held = ProjectRoutes(session, sender.project_id).held(PAGE)
    return {"held": [row.model_dump(exclude={"project_id"}) for row in held]}


@router.post("/v1/held/{feedback_id}/release", summary="Let held feedback in")
def release(feedback_id: str, sender: ReviewKey, request: Request, session: Reading) -> dict[str, Any]:
    """A fact in the log; the training queue has it as soon as the stream has read that, datasets with their next."""
    name = canonical_uuid(feedback_id) or ""
    ProjectRoutes(session, sender.project_id).release(name, decider_of(request, sender), utc_now())
    session.commit()
    return {"released": name}


def _shown(counted: Counted) -> dict[str, Any]:
    added = {"version": counted.version, "offset": counted.log_offset or None, "events": counted.events}
    return {**counted.route.as_data(), **added}
