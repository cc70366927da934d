"""Models over HTTP: which version serves, told as soon as it moves; promoted, rolled back and held by hand."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from msgspec import Meta
from sqlmodel import Session, col, select

from api.access import AdminKey, Reading, ReadKey, ServingKey, decider_of
from api.datasets import lake_dir
from api.json_bodies import Body, body, described
from feedback_ingest.clock import monotonic_s, utc_now
from feedback_ingest.errors import Fault, NotFound, ValidationFailed
from feedback_ingest.receive import Sender
from feedback_loop.registry import by_hand, shadow_figures
from feedback_loop.registry.champions import champion
from feedback_loop.registry.rollbacks import Order, hold, roll_back
from feedback_loop.registry.shadows import shadows
from feedback_loop.registry.tables import Champion, KnownVersion

router = APIRouter(tags=["models"])
LONGEST_MS = 30_000
Reason = Annotated[str, Meta(min_length=1, max_length=1_000, pattern=r"\S")]


class Move(Body):
    """Why the champion is moved."""

    reason: Reason = "by hand"


class Hold(Body):
    """Whether the champion is to stay where it is, whatever a rule asks."""

    is_held: bool


@router.get("/v1/models", summary="Every model and the version that serves")
def list_models(sender: ReadKey, request: Request, session: Reading) -> dict[str, Any]:
    """By name; `shadow` as GET /v1/models/{model_name}/shadow tells it, null where no version answers beside it."""
    wanted = select(Champion).where(Champion.project_id == sender.project_id).order_by(col(Champion.model_name))
    beside = {
        name: shadow_figures.told(found, lake_dir(request))
        for name, found in shadows(session, sender.project_id).items()
    }
    return {"models": [_champion(row) | {"shadow": beside.get(row.model_name)} for row in session.exec(wanted)]}


@router.get("/v1/models/{model_name}", summary="The champion to serve, at once or when it moves")
async def show_champion(
    model_name: str,
    sender: ServingKey,
    request: Request,
    version: Annotated[str | None, Query(max_length=256)] = None,
    wait_ms: Annotated[int, Query(ge=0, le=LONGEST_MS)] = 0,
) -> dict[str, Any]:
    """The version in service and where its artifact is; 404 before a first promotion.

    `shadow` is one that answers beside it and is not served, where there is one: log its answer as another output of
    the same inference, with its `model_version`, and say what was given by `chosen_output_id`.

    With `wait_ms` and the `version` a client has, the answer comes when another one serves, at latest after that time.
    """
    moves, until_s = request.app.state.champion_moves, monotonic_s() + wait_ms / 1000
    while True:
        found = await asyncio.to_thread(_serving, request, sender, model_name)
        left_s = until_s - monotonic_s()
        has_moved = version is None or (found is not None and found["model_version"] != version)
        if has_moved or left_s <= 0 or moves.closing.is_set():
            break
        await moves.beyond((sender.project_id, model_name), found["log_offset"] if found else 0, left_s)
    if found is None:
        raise NotFound()
    return found


@router.get("/v1/models/{model_name}/versions", summary="The versions on the shelf")
def list_versions(model_name: str, sender: ReadKey, session: Reading) -> dict[str, Any]:
    """By name; `promoted_at` tells when one last came to serve, `rolled_back_at` that it was taken back."""
    wanted = select(KnownVersion).where(
        KnownVersion.project_id == sender.project_id, KnownVersion.model_name == model_name
    )
    rows = session.exec(wanted.order_by(col(KnownVersion.model_version))).all()
    if not rows:
        raise NotFound()
    return {"versions": [row.model_dump(exclude={"project_id"}) for row in rows]}


@router.get("/v1/models/{model_name}/versions/{model_version}", summary="One version on the shelf")
def show_version(model_name: str, model_version: str, sender: ReadKey, session: Reading) -> dict[str, Any]:
    """What is known of it, and whether it serves; 404 for one that is not on the shelf."""
    known = known_version(session, sender, model_name, model_version)
    serving = champion(session, sender.project_id, model_name)
    serves = serving is not None and serving.model_version == model_version
    return {**known.model_dump(exclude={"project_id"}), "serves": serves}


@router.post(
    "/v1/models/{model_name}/versions/{model_version}/promote",
    summary="Let a version serve",
    openapi_extra=described(Move),
)
def promote_version(
    model_name: str, model_version: str, sender: AdminKey, request: Request, session: Reading,
    wanted: Annotated[Move, body(Move)],
) -> dict[str, Any]:  # fmt: skip
    """By a person's word, without the gate; 404 for a version that is not on the shelf."""
    known = known_version(session, sender, model_name, model_version)
    answer = _champion(by_hand.promote(session, decider_of(request, sender), known, wanted.reason, utc_now()))
    session.commit()
    return answer


@router.post(
    "/v1/models/{model_name}/versions/{model_version}/rollback",
    summary="Take a version back: the one before serves again",
    openapi_extra=described(Move),
)
def roll_back_version(
    model_name: str, model_version: str, sender: AdminKey, request: Request, session: Reading,
    wanted: Annotated[Move, body(Move)],
) -> dict[str, Any]:  # fmt: skip
    """By a person's word, so no hold and no cool-down keeps it.

    404 for a version that is not on the shelf; 422 where it does not serve, or nothing served before it.
    """
    decider = decider_of(request, sender)
    known_version(session, sender, model_name, model_version)
    order = Order(
        sender.project_id,
        model_name,
        model_version,
        wanted.reason,
        told={"actor": decider.actor},
        is_by_hand=True,
    )
    outcome = roll_back(session, order, utc_now(), decider.pepper, cooldown_s=0)
    session.commit()
    if outcome is not None and outcome.code is not None:
        raise ValidationFailed(outcome.reason, (Fault("/model_version", outcome.code.replace("_", "-")),))
    return _champion(session.get_one(Champion, (sender.project_id, model_name), populate_existing=True))


@router.post("/v1/models/{model_name}/hold", summary="Hold a champion, or release it", openapi_extra=described(Hold))
def hold_champion(
    model_name: str, sender: AdminKey, request: Request, session: Reading, wanted: Annotated[Hold, body(Hold)]
) -> dict[str, Any]:
    """While it is held, a rule's rollback is refused, and the log says so; people and the gate still move it."""
    held = hold(session, decider_of(request, sender), sender.project_id, model_name, wanted.is_held, utc_now())
    session.flush()
    answer = _champion(held)
    session.commit()
    return answer


def known_version(session: Session, sender: Sender, model_name: str, model_version: str) -> KnownVersion:
    """A version on the shelf of the sender's project; raises NotFound."""
    known = session.get(KnownVersion, (sender.project_id, model_name, model_version))
    if known is None:
        raise NotFound()
    return known


def _serving(request: Request, sender: Sender, model_name: str) -> dict[str, Any] | None:
    with Session(request.app.state.receiving.database.engine) as session:
        found = champion(session, sender.project_id, model_name)
        if found is None:
            return None
        beside = shadows(session, sender.project_id).get(model_name)
        named = {"model_version", "artifact_uri", "artifact_sha256"}
        return _champion(found) | {"shadow": beside.version.model_dump(include=named) if beside else None}


def _champion(row: Champion) -> dict[str, Any]:
    return row.model_dump(exclude={"project_id"})
