"""Rollbacks and holds: the champion pointer goes back, or stays, together with the fact that says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sqlmodel import Session, col, func, select

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import new_id
from feedback_ingest.decisions import Decider, decided
from feedback_ingest.errors import NotFound
from feedback_ingest.log import Fact
from feedback_ingest.tables import EventKey
from feedback_loop.learning.ratios import Ratio
from feedback_loop.learning.rollbacks import Gold, Situation, Witness, refusal
from feedback_loop.registry.champions import PROMOTED, lock_model, point
from feedback_loop.registry.tables import Champion, KnownVersion

REQUESTED, ROLLED_BACK, REFUSED = "model_rollback_requested", "model_rolled_back", "model_rollback_refused"
PROMOTIONS = 100
"""So many of a project's newest promotions are looked at for the one that led to who serves."""
HELD, RELEASED = "model_held", "model_released"


@dataclass(frozen=True, slots=True)
class Order:
    """A rollback to be carried out: `name` names its one answer in the log, `told` goes into it.

    `leaves` is the version that is to go; None: whichever serves, by the word of a person.
    """

    project_id: int
    model_name: str
    leaves: str | None
    reason: str
    name: str = field(default_factory=lambda: str(new_id()))
    told: Mapping[str, Any] = field(default_factory=dict)
    asked_at: datetime | None = None
    is_by_hand: bool = False
    rests_on: Witness = "people"


class Outcome(NamedTuple):
    """What became of an order: the version that serves now, or the code and the sentence that refused it."""

    serving: str | None
    code: str | None = None
    reason: str = ""


def roll_back(session: Session, order: Order, now: datetime, pepper: Pepper, cooldown_s: int) -> Outcome | None:
    """Moves the pointer to the version before and says so in the log, or says there why not; the caller commits, soon.

    None where the order has its answer already: however often it is read, it is carried out once.
    """
    lock_model(session, order.project_id, order.model_name)
    if _is_answered(session, order):
        return None
    serving = session.get(Champion, (order.project_id, order.model_name), populate_existing=True)
    target = before(session, serving) if serving is not None else None
    situation = Situation(
        serving=serving.model_version if serving else None,
        leaves=order.leaves,
        target=target.model_version if target else serving.previous_version if serving else None,
        is_known=target is not None,
        is_held=serving is not None and serving.is_held,
        since_rollback=_since_rollback(session, order, now),
        waited=now - (order.asked_at or now),
        rests_on=order.rests_on,
        gold=_gold(session, serving, target) if serving is not None and target is not None else None,
    )
    refused = refusal(situation, cooldown_s, order.is_by_hand)
    if refused is not None or serving is None or target is None:
        code, why = refused or ("not_serving", "")
        body = {"model_version": situation.serving or order.leaves, "code": code, "reason": why}
        _append(session, order, REFUSED, body, now, pepper)
        return Outcome(situation.serving, code, why)
    _leave(session, serving, now)
    body = {
        "model_version": target.model_version,
        "previous_version": serving.model_version,
        "artifact_sha256": target.artifact_sha256,
        "dataset_version": target.dataset_version,
        "reason": order.reason,
    }
    offset = _append(session, order, ROLLED_BACK, body, now, pepper)
    point(session, target, offset, now, target.previous_version)
    return Outcome(target.model_version)


def before(session: Session, serving: Champion) -> KnownVersion | None:
    """The version that served before and was not itself rolled back; None where there is none, or none is known."""
    version, seen = serving.previous_version, {serving.model_version}
    while version is not None and version not in seen:
        found = session.get(KnownVersion, (serving.project_id, serving.model_name, version))
        if found is None or found.rolled_back_at is None:
            return found
        seen.add(version)
        version = found.previous_version
    return None


def hold(
    session: Session, decider: Decider, project_id: int, model_name: str, is_held: bool, now: datetime
) -> Champion:
    """Keeps a champion where it is, whatever a rule asks, until released; the caller commits. Raises NotFound."""
    lock_model(session, project_id, model_name)
    serving = session.get(Champion, (project_id, model_name), populate_existing=True)
    if serving is None:
        raise NotFound(f"no version of {model_name!r} serves; `feedback models list` names the models")
    if serving.is_held != is_held:
        serving.is_held = is_held
        session.add(serving)
        named = {"model_name": model_name, "model_version": serving.model_version}
        decider.record(session, project_id, HELD if is_held else RELEASED, model_name, now, **named)
    return serving


def _gold(session: Session, serving: Champion, target: KnownVersion) -> Gold | None:
    """What the gate saw of both when the one that serves was compared with the other, on the newest golden rows."""
    for fact in decided(session, serving.project_id, None, PROMOTIONS, (PROMOTED,)):
        body, told = fact.body, fact.body.get("evaluation", {})
        if (body["model_name"], body["model_version"]) == (serving.model_name, serving.model_version):
            if told.get("champion_version") != target.model_version:
                return None
            rows = Decimal(told["recent_rows"])
            right = (round(rows * Decimal(str(told[name]))) for name in ("recent_accuracy", "champion_recent_accuracy"))
            return Gold(*(Ratio(Decimal(each), rows) for each in right))
    return None


def _leave(session: Session, serving: Champion, now: datetime) -> None:
    left = session.get(KnownVersion, (serving.project_id, serving.model_name, serving.model_version))
    if left is not None:
        left.rolled_back_at = now
        session.add(left)


def _since_rollback(session: Session, order: Order, now: datetime) -> timedelta | None:
    wanted = select(func.max(KnownVersion.rolled_back_at)).where(
        KnownVersion.project_id == order.project_id, KnownVersion.model_name == order.model_name
    )
    last = session.exec(wanted).one()
    return None if last is None else now - last


def _is_answered(session: Session, order: Order) -> bool:
    wanted = select(EventKey.log_offset).where(
        EventKey.project_id == order.project_id,
        col(EventKey.kind).in_((ROLLED_BACK, REFUSED)),
        EventKey.id == order.name,
    )
    return session.exec(wanted).first() is not None


def _append(session: Session, order: Order, kind: str, body: Mapping[str, Any], now: datetime, pepper: Pepper) -> int:
    told = {**order.told, "model_name": order.model_name, **body}
    fact = Fact(
        order.project_id, kind, order.name, {name: value for name, value in told.items() if value is not None}, now
    )
    [appended] = log.append(session, [fact], now, pepper)
    return appended.log_offset
