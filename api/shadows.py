"""Shadows over HTTP: a version is put beside the champion by hand, or let go; what it shows decides the rest."""

from typing import Annotated, Any

from fastapi import APIRouter, Request

from api.access import AdminKey, Reading, decider_of
from api.json_bodies import body, described
from api.models import Move
from feedback_ingest.clock import utc_now
from feedback_ingest.errors import Fault, NotFound, ValidationFailed
from feedback_loop.registry.champions import champion
from feedback_loop.registry.shadows import begin, end
from feedback_loop.registry.tables import KnownVersion

router = APIRouter(tags=["models"])


@router.post(
    "/v1/models/{model_name}/versions/{model_version}/shadow",
    summary="Let a version answer in the champion's shadow",
    openapi_extra=described(Move),
)
def shadow_version(
    model_name: str, model_version: str, sender: AdminKey, request: Request, session: Reading,
    wanted: Annotated[Move, body(Move)],
) -> dict[str, Any]:  # fmt: skip
    """In place of another one there. It is promoted once it is surely better on labelled answers of both.

    404 for a version that is not on the shelf; 422 where it serves, or was registered without an artifact.
    """
    known = session.get(KnownVersion, (sender.project_id, model_name, model_version))
    if known is None:
        raise NotFound()
    serving = champion(session, sender.project_id, model_name)
    if serving is None or serving.model_version == model_version or known.artifact_uri is None:
        code = "no-artifact" if known.artifact_uri is None else "serves" if serving is not None else "no-champion"
        raise ValidationFailed("It cannot answer in a shadow.", (Fault("/model_version", code),))
    decider = decider_of(request, sender)
    told = {"reason": wanted.reason, "actor": decider.actor}
    offset = begin(session, known, told, utc_now(), decider.pepper)
    session.commit()
    return {"model_name": model_name, "model_version": model_version, "offset": offset}


@router.delete("/v1/models/{model_name}/shadow", summary="Let the version in the shadow go")
def end_shadow(model_name: str, sender: AdminKey, request: Request, session: Reading) -> dict[str, Any]:
    """It answers no longer, whatever it has shown; 404 where there is none."""
    decider = decider_of(request, sender)
    told = {"reason": "by hand", "actor": decider.actor}
    offset = end(session, sender.project_id, model_name, told, utc_now(), decider.pepper)
    session.commit()
    return {"model_name": model_name, "offset": offset}
