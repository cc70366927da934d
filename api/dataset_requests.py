"""Datasets that are asked for over HTTP: compiled by a recipe, or made again; the graph does it, the log answers."""

from functools import partial
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from msgspec import Meta

from api.access import AdminKey, Reading, ReadKey, decider_of
from api.json_bodies import Body, body, described
from api.looking import look
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_loop.learning.recipes import Recipe
from feedback_loop.registry.dataset_requests import ask_to_compile, ask_to_rebuild, outcome

router = APIRouter(tags=["datasets"])
LONGEST_MS = 30_000
Offset = Annotated[int, Meta(ge=1, le=2**53 - 1)]
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "It is asked for; Location is where to ask what became of it.",
        "headers": {"Location": {"schema": {"type": "string"}}},
    }
}


class Wanted(Body):
    """A recipe, and the offset of the log that it is to see; by default the log's end."""

    recipe: dict[str, Any]
    log_offset: Offset | None = None


class _Shape(msgspec.Struct):
    """`Wanted` as the document shows it: what the recipe may say."""

    recipe: Recipe
    log_offset: Offset | msgspec.UnsetType = msgspec.UNSET


@router.post(
    "/v1/datasets", status_code=202, summary="Compile a dataset by its recipe", openapi_extra=described(_Shape),
    responses=ACCEPTED,
)  # fmt: skip
def compile_dataset(
    sender: AdminKey, request: Request, response: Response, session: Reading, wanted: Annotated[Wanted, body(Wanted)]
) -> dict[str, Any]:
    """202 once the request stands in the log; the graph compiles it within seconds, one after another.

    Without `log_offset` the dataset sees all that the log held when it was asked for, however long it waits.
    """
    golden_share = request.app.state.receiving.door.settings.golden_share
    decider = decider_of(request, sender)
    asked = (wanted.recipe, golden_share, wanted.log_offset, utc_now())
    return _asked(response, session, ask_to_compile(session, decider, sender.project_id, *asked))


@router.post(
    "/v1/datasets/{dataset_version}/rebuild", status_code=202, summary="Make a dataset again, to the byte",
    responses=ACCEPTED,
)  # fmt: skip
def rebuild_dataset(
    dataset_version: str, sender: AdminKey, request: Request, response: Response, session: Reading
) -> dict[str, Any]:
    """From the log alone, whatever came later or was deleted: `rebuilt` says that every byte is the same."""
    asked = ask_to_rebuild(session, decider_of(request, sender), sender.project_id, dataset_version, utc_now())
    return _asked(response, session, asked)


@router.get("/v1/datasets/requests/{request_offset}", summary="What became of a dataset that was asked for")
async def show_request(
    request_offset: Annotated[int, Path(ge=1, le=2**53 - 1)],
    sender: ReadKey,
    request: Request,
    wait_ms: Annotated[int, Query(ge=0, le=LONGEST_MS)] = 0,
) -> dict[str, Any]:
    """`status` is requested, compiled, rebuilt or refused; with `wait_ms` the answer comes once it is not `requested`.

    `dataset_version` names what was made; a refusal says why, by `code` and `reason`.
    """
    database, wakeups = request.app.state.receiving.database, request.app.state.wakeups
    until_s, asking = monotonic_s() + wait_ms / 1000, partial(outcome, project_id=sender.project_id)
    room = request.app.state.receiving.door.settings.max_streams
    while True:
        seen = wakeups.head
        found = await look(database, partial(asking, request_offset=request_offset))
        left_s = until_s - monotonic_s()
        if found["status"] != "requested" or left_s <= 0 or wakeups.closing.is_set() or not wakeups.has_room(room):
            return found
        with wakeups.waiting():
            await wakeups.beyond(seen, left_s)


def _asked(response: Response, session: Reading, offset: int) -> dict[str, Any]:
    session.commit()
    response.headers["location"] = f"/v1/datasets/requests/{offset}"
    return {"request_offset": offset, "status": "requested"}
