"""Datasets over HTTP: what was compiled, of which feedback, and what lies between two; of the key's own project."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from api.access import Reading, ReadKey
from feedback_ingest.errors import Fault, ValidationFailed
from feedback_loop.learning.membership import OUTCOMES
from feedback_loop.registry.dataset_diff import differences
from feedback_loop.registry.dataset_shelf import DatasetDamaged
from feedback_loop.registry.lineage import (
    compiled_datasets,
    dataset_of,
    have_members,
    members_of,
    named_members,
)

router = APIRouter(tags=["datasets"])
PAGE = 100
MOST = 1_000
Limit = Annotated[int, Query(ge=1, le=MOST)]
After = Annotated[int, Query(ge=0, le=2**53 - 1)]
Words = Annotated[str | None, Query(max_length=64)]


@router.get("/v1/datasets", summary="Every dataset that was compiled")
def list_datasets(sender: ReadKey, session: Reading) -> dict[str, Any]:
    """Oldest first: recipe, offset of the log, rows, digests of the files, and the dataset's own offset."""
    return {"datasets": compiled_datasets(session, sender.project_id)}


@router.get("/v1/datasets/{dataset_version}", summary="One dataset's manifest")
def show_dataset(dataset_version: str, sender: ReadKey, request: Request, session: Reading) -> dict[str, Any]:
    """All it is made of: offset, recipe, contract, policies, seed, code, libraries, outcomes, digests.

    `faults` says what is wrong with its files, where anything is: a flipped bit, too. Where the manifest itself is
    gone or damaged, the rest is what the log says of the dataset.
    """
    try:
        found = dataset_of(session, data_dir(request), sender.project_id, dataset_version)
    except DatasetDamaged:
        told = compiled_datasets(session, sender.project_id)
        known = next(each for each in reversed(told) if each["dataset_version"] == dataset_version)
        return {**known, "faults": ["manifest.json is missing or damaged"]}
    return {**found.manifest, "faults": found.faults()}


@router.get("/v1/datasets/{dataset_version}/events", summary="The feedback a dataset looked at, and what became of it")
def list_events(
    dataset_version: str,
    sender: ReadKey,
    request: Request,
    session: Reading,
    outcome: Words = None,
    after: After = 0,
    limit: Limit = PAGE,
) -> dict[str, Any]:
    """In the order of the log, as it was stored when the dataset was compiled; `next_after` asks for more."""
    if outcome is not None and outcome not in OUTCOMES:
        raise ValidationFailed(f"give one of {', '.join(OUTCOMES)}", (Fault("/outcome", "unknown-name"),))
    with whole("/dataset_version"):
        found = dataset_of(session, data_dir(request), sender.project_id, dataset_version)
        members = members_of(found, after, limit=limit, outcome=outcome)
    next_after = members[-1]["feedback_offset"] if len(members) == limit else None
    return {"events": named_members(session, members), "next_after": next_after}


@router.get("/v1/datasets/{dataset_version}/diff", summary="What lies between two datasets")
def show_difference(
    dataset_version: str,
    sender: ReadKey,
    request: Request,
    session: Reading,
    other: Annotated[str, Query(alias="with", min_length=1, max_length=256)],
    limit: Limit = MOST,
) -> dict[str, Any]:
    """Rows added, removed and changed on the way from this one to `with`, each with its reason and its event's offset;
    `total` counts them all.
    """
    sides = []
    for pointer, name in (("/dataset_version", dataset_version), ("/with", other)):
        with whole(pointer):
            sides.append(dataset_of(session, data_dir(request), sender.project_id, name))
            if sides[-1].faults():
                raise DatasetDamaged()
            have_members(sides[-1])
    found = differences(session, *sides)
    return {"before": dataset_version, "after": other, "total": len(found), "differences": found[:limit]}


@contextmanager
def whole(pointer: str) -> Iterator[None]:
    """Refuses a request for the dataset that `pointer` names where its files are not those that were compiled."""
    try:
        yield
    except DatasetDamaged:
        raise ValidationFailed(DatasetDamaged.__doc__, (Fault(pointer, "damaged"),)) from None


def data_dir(request: Request) -> Path:
    """The data directory of this installation."""
    folder: Path = request.app.state.receiving.door.settings.data_dir
    return folder


def lake_dir(request: Request) -> Path:
    """Where the graph stores its tables."""
    folder: Path = request.app.state.receiving.door.settings.lake_dir
    return folder
