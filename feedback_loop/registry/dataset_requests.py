"""Datasets that are asked for from outside: a request is a fact, and so is its one answer, which the graph gives."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from feedback_ingest import log
from feedback_ingest.decisions import DATASET_REQUESTED, Decider
from feedback_ingest.errors import Fault, NotFound, ValidationFailed
from feedback_ingest.log import LogRow
from feedback_ingest.tables import EventKey, Project
from feedback_loop.learning.recipes import recipe_of
from feedback_loop.registry.lineage import COMPILED, compiled_datasets

REBUILT, REFUSED = "dataset_rebuilt", "dataset_refused"
STATES = {COMPILED: "compiled", REBUILT: "rebuilt", REFUSED: "refused"}
"""What became of a request, by the kind of its answer; before it is `requested`."""

TOLD = ("dataset_version", "rows", "row_digest", "code", "reason")


def ask_to_compile(
    session: Session, decider: Decider, project_id: int, recipe: Any, golden_share: float, upto: int | None,
    now: datetime,
) -> int:  # fmt: skip
    """Asks for a dataset by its recipe, of what the log holds now or held at an offset; the request's own offset.

    The caller commits. Raises ValidationFailed with the fields at fault, of which the recipe is `/recipe`.
    """
    try:
        wanted = recipe_of(recipe, golden_share)
    except ValidationFailed as error:
        faults = tuple(Fault(f"/recipe{fault.pointer}", fault.code) for fault in error.faults)
        raise ValidationFailed(error.detail, faults) from None
    if upto is not None and upto > log.head(session):
        raise ValidationFailed("The log is not that long; leave log_offset out.", (Fault("/log_offset", "too-large"),))
    details = {"recipe": wanted.as_data()} | ({"log_offset": upto} if upto is not None else {})
    return decider.record(session, project_id, DATASET_REQUESTED, wanted.model_name, now, **details)


def ask_to_rebuild(session: Session, decider: Decider, project_id: int, dataset_version: str, now: datetime) -> int:
    """Asks for the same bytes again; the request's offset. The caller commits. Raises NotFound."""
    if all(told["dataset_version"] != dataset_version for told in compiled_datasets(session, project_id)):
        raise NotFound()
    return decider.record(session, project_id, DATASET_REQUESTED, dataset_version, now, rebuild=dataset_version)


def outcome(session: Session, project_id: int, request_offset: int) -> dict[str, Any]:
    """What became of a project's request: its `status`, and what its answer says; raises NotFound."""
    asked = log.at(session, [request_offset]).get(request_offset)
    if asked is None or (asked.project_id, asked.kind) != (project_id, DATASET_REQUESTED):
        raise NotFound()
    found = answers(session, request_offset).get(request_offset)
    told = {"request_offset": request_offset, "status": "requested" if found is None else STATES[found.kind]}
    return told | {name: found.body[name] for name in TOLD if found is not None and name in found.body}


def waiting(session: Session, after: int) -> list[LogRow]:
    """The requests behind an offset that have no answer yet, of all projects, oldest first."""
    asked = _behind(session, (DATASET_REQUESTED,), after)
    answered = answers(session, min(asked)) if asked else {}
    return [row for offset, row in sorted(asked.items()) if offset not in answered]


def answers(session: Session, after: int) -> Mapping[int, LogRow]:
    """The answers behind an offset, by the offset of the request that each belongs to."""
    found = _behind(session, tuple(STATES), after).values()
    return {row.body["request_offset"]: row for row in found if "request_offset" in row.body}


def _behind(session: Session, kinds: tuple[str, ...], after: int) -> dict[int, LogRow]:
    wanted = select(EventKey.log_offset).where(
        col(EventKey.project_id).in_(select(Project.project_id)),
        col(EventKey.kind).in_(kinds),
        EventKey.log_offset > after,
    )
    return log.at(session, session.exec(wanted).all())
