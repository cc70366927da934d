"""Shadows over HTTP: a version is put beside the champion by hand, or let go; what it shows decides the rest."""

from typing import Annotated, Any

from fastapi import APIRouter, Request

from api.access import AdminKey, Reading, ReadKey, decider_of
from api.datasets import lake_dir
from api.json_bodies import body, described
from api.models import Move, known_version
from feedback_ingest.clock import utc_now
from feedback_ingest.errors import NotFound
from feedback_loop.registry import by_hand, shadow_figures
from feedback_loop.registry.shadows import shadows

router = APIRouter(tags=["models"])


@router.get("/v1/models/{model_name}/shadow", summary="The version in the shadow, and how it does")
def show_shadow(model_name: str, sender: ReadKey, request: Request, session: Reading) -> dict[str, Any]:
    """`seen` is what the asset `shadow_report` last said, null before it has looked; 404 where no version is there.

    Of `samples` labelled answers of both, `shadow` and `champion` tell how many each had `right`, the `share`, and its
    95 % interval from `low` to `high`; `shadow_alone` and `champion_alone` how many only one had right. `evidence`
    grows with these two differing; at `sure_at` it is sure.
    """
    found = shadows(session, sender.project_id).get(model_name)
    if found is None:
        raise NotFound()
    return {"model_name": model_name, **shadow_figures.told(found, lake_dir(request))}


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

    404 for a version that is not on the shelf; 422 where it serves, where none does, or without an artifact.
    """
    known = known_version(session, sender, model_name, model_version)
    offset = by_hand.let_shadow(session, decider_of(request, sender), known, wanted.reason, utc_now())
    session.commit()
    return {"model_name": model_name, "model_version": model_version, "offset": offset}


@router.delete("/v1/models/{model_name}/shadow", summary="Let the version in the shadow go")
def end_shadow(model_name: str, sender: AdminKey, request: Request, session: Reading) -> dict[str, Any]:
    """It answers no longer, whatever it has shown; 404 where there is none."""
    ended = by_hand.end_shadow(session, decider_of(request, sender), sender.project_id, model_name, utc_now())
    session.commit()
    return {"model_name": model_name, "model_version": ended.model_version, "offset": ended.log_offset}
