"""Lineage over HTTP: where a feedback went, and which feedback made a model; from stored rows, never inferred."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from api.access import Reading, ReadKey
from api.datasets import PAGE, After, Limit, data_dir, whole
from feedback_loop.learning.membership import KEPT
from feedback_loop.registry.lineage import dataset_behind, dataset_of, lineage_of, members_of, named_members
from feedback_loop.registry.openlineage import run_events

router = APIRouter(tags=["lineage"])


@router.get("/v1/feedback/{feedback_id}/lineage", summary="Where a feedback went")
def show_lineage(feedback_id: str, sender: ReadKey, request: Request, session: Reading) -> dict[str, Any]:
    """Its event and inference, and every dataset of the project: in which split and row it stands there, or why it does
    not; and the models trained on those it is in, with what became of each.
    """
    return lineage_of(session, data_dir(request), sender.project_id, feedback_id)


@router.get("/v1/models/{model_name}/versions/{version}/feedback", summary="The feedback that a model learnt from")
def list_feedback(
    model_name: str,
    version: str,
    sender: ReadKey,
    request: Request,
    session: Reading,
    after: After = 0,
    limit: Limit = PAGE,
) -> dict[str, Any]:
    """In the order of the log, as stored in the dataset it was trained on; 404 for a version not trained here."""
    dataset_version = dataset_behind(session, sender.project_id, model_name, version)
    with whole("/version"):
        found = dataset_of(session, data_dir(request), sender.project_id, dataset_version)
        members = members_of(found, after, limit=limit, outcome=KEPT)
    next_after = members[-1]["feedback_offset"] if len(members) == limit else None
    return {
        "dataset_version": dataset_version,
        "events": named_members(session, members),
        "next_after": next_after,
    }


@router.get("/v1/openlineage", summary="Datasets and models as OpenLineage events")
def list_run_events(
    sender: ReadKey, session: Reading, after: Annotated[int, Query(ge=0, le=2**53 - 1)] = 0, limit: Limit = PAGE
) -> dict[str, Any]:
    """RunEvents (https://openlineage.io, 2-0-2) of compilations and trainings behind the offset, in the log's order."""
    found = run_events(session, sender.project_id, after, limit)
    return {"events": [event for _, event in found], "next_after": found[-1][0] if len(found) == limit else None}
