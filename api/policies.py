"""Policies over HTTP, a pair of routes for each kind: what is in force, and setting it; of the key's own project."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from sqlmodel import Session

from api import openapi
from api.access import AdminKey, Reading, ReadKey, decider_of
from api.json_bodies import body, described
from feedback_ingest.clock import utc_now
from feedback_ingest.doors.metrics import every_metric
from feedback_ingest.policies import ProjectPolicies
from feedback_ingest.receive import refuse
from feedback_loop.learning.policies import Policy, collect, in_force

router = APIRouter(tags=["policies"])


@router.get("/v1/policies", summary="Every policy in force")
def list_policies(sender: ReadKey, session: Reading) -> dict[str, Any]:
    """By kind; one of version 0 is the default, which holds until the project sets it."""
    return {"policies": [_shown(session, sender.project_id, kind) for kind in collect().values()]}


def _showing(kind: type[Policy]) -> Callable[..., dict[str, Any]]:
    def show(sender: ReadKey, session: Reading) -> dict[str, Any]:
        return _shown(session, sender.project_id, kind)

    return show


def _setting(kind: type[Policy]) -> Callable[..., dict[str, Any]]:
    def set_policy(
        sender: AdminKey, request: Request, response: Response, session: Reading, wanted: Annotated[Any, body(kind)]
    ) -> dict[str, Any]:
        refuse(wanted.faults([metric.metric for metric in every_metric(session, sender.project_id)]))
        mine = ProjectPolicies(session, sender.project_id)
        is_new = mine.set(kind.name, wanted.as_data(), decider_of(request, sender), utc_now())
        answer = _shown(session, sender.project_id, kind)
        session.commit()
        response.status_code = 201 if is_new else 200
        return answer

    return set_policy


def _shown(session: Session, project_id: int, kind: type[Policy]) -> dict[str, Any]:
    fact = ProjectPolicies(session, project_id).newest(kind.name)
    policy = in_force([fact] if fact else [], kind).get(project_id, kind())
    version, offset = (fact.body["version"], fact.log_offset) if fact else (0, None)
    return {"kind": kind.name, "version": version, "offset": offset, "policy": policy.as_data()}


for _kind in collect().values():
    router.get(
        f"/v1/policies/{_kind.name}",
        summary=f"The {_kind.name} policy in force",
        description=_kind.__doc__,
        name=f"show_{_kind.name}_policy",
    )(_showing(_kind))
    router.post(
        f"/v1/policies/{_kind.name}",
        status_code=201,
        summary=f"Set the {_kind.name} policy",
        description=_kind.__doc__,
        name=f"set_{_kind.name}_policy",
        openapi_extra=described(_kind),
        responses=openapi.CHANGED,
    )(_setting(_kind))
