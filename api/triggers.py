"""Triggers and drift over HTTP: what starts a training, what it would have started, and what drift was told."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from msgspec import Meta

from api import openapi
from api.access import AdminKey, Reading, ReadKey, decider_of
from api.json_bodies import Body, body, described
from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import decided
from feedback_loop.learning.standing_triggers import Trigger
from feedback_loop.stream.standing import ProjectTriggers

router = APIRouter(tags=["loop"])
DRIFT = ("drift_detected", "drift_resolved")
NEWEST = 100
Name = Annotated[str, Meta(min_length=1, max_length=256)]


class Model(Body):
    """Which model is meant."""

    model_name: Name


class Draft(Body):
    """A trigger that is not defined yet, and the model whose history it is tried on."""

    trigger: Trigger
    model_name: Name


@router.get("/v1/triggers", summary="The triggers in force")
def list_triggers(sender: ReadKey, session: Reading) -> dict[str, Any]:
    """By id; beside them every model is watched for drift."""
    return {"triggers": [trigger.as_data() for trigger in ProjectTriggers(session, sender.project_id).every()]}


@router.post(
    "/v1/triggers",
    status_code=201,
    summary="Define a trigger, or change one",
    openapi_extra=described(Trigger),
    responses=openapi.CHANGED,
)
def define_trigger(
    sender: AdminKey, request: Request, response: Response, session: Reading, wanted: Annotated[Trigger, body(Trigger)]
) -> dict[str, Any]:
    """201 for a new one, 200 for a change, or where it is defined so already."""
    triggers = ProjectTriggers(session, sender.project_id)
    is_new = all(known.trigger_id != wanted.trigger_id for known in triggers.every())
    triggers.define(wanted, decider_of(request, sender), utc_now())
    session.commit()
    response.status_code = 201 if is_new else 200
    return wanted.as_data()


@router.delete("/v1/triggers/{trigger_id}", summary="Take a trigger back")
def remove_trigger(trigger_id: str, sender: AdminKey, request: Request, session: Reading) -> dict[str, Any]:
    """What it started goes on."""
    ProjectTriggers(session, sender.project_id).remove(trigger_id, decider_of(request, sender), utc_now())
    session.commit()
    return {"removed": trigger_id}


@router.post("/v1/triggers/{trigger_id}/fire", summary="Ask for a training by hand", openapi_extra=described(Model))
def fire_trigger(
    trigger_id: str, sender: AdminKey, request: Request, session: Reading, wanted: Annotated[Model, body(Model)]
) -> dict[str, Any]:
    """Holds for the trigger's condition `manual`; labels, cool-down and budget are minded all the same."""
    triggers = ProjectTriggers(session, sender.project_id)
    offset = triggers.ask(trigger_id, wanted.model_name, decider_of(request, sender), utc_now())
    session.commit()
    return {"offset": offset}


@router.post(
    "/v1/triggers/backtest", summary="What a trigger that is not defined yet would have started",
    openapi_extra=described(Draft),
)  # fmt: skip
def backtest_draft(sender: AdminKey, session: Reading, wanted: Annotated[Draft, body(Draft)]) -> dict[str, Any]:
    """As POST /v1/triggers/{trigger_id}/backtest."""
    return ProjectTriggers(session, sender.project_id).backtest(wanted.trigger, wanted.model_name)


@router.post(
    "/v1/triggers/{trigger_id}/backtest", summary="What a trigger would have started", openapi_extra=described(Model)
)
def backtest_trigger(
    trigger_id: str, sender: AdminKey, session: Reading, wanted: Annotated[Model, body(Model)]
) -> dict[str, Any]:
    """Over the newest 10,000 labelled answers of a model, a look every 150: `told` is when it fired, and why not."""
    triggers = ProjectTriggers(session, sender.project_id)
    return triggers.backtest(triggers.find(trigger_id), wanted.model_name)


@router.get("/v1/drift", summary="What drift was found, and what is over, newest first")
def list_drift(sender: ReadKey, session: Reading) -> dict[str, Any]:
    """The newest hundred changes of all models, each with the detectors' reasons."""
    found = decided(session, sender.project_id, None, NEWEST, DRIFT)
    return {
        "drift": [
            {"offset": fact.log_offset, "at": fact.received_at, "is_detected": fact.kind == DRIFT[0], **fact.body}
            for fact in found
        ]
    }
