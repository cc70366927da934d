"""The quarantine: refused events of known senders, to be listed, mended and discarded; replay.py sends them again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import delete, text
from sqlmodel import Session, col, select

from feedback_ingest.canonical import Pepper, canonical_json
from feedback_ingest.decisions import Decider
from feedback_ingest.errors import Fault, FeedbackError, NotFound, ValidationFailed
from feedback_ingest.held import COUNT
from feedback_ingest.names import canonical_uuid
from feedback_ingest.strict_json import parse, refuse_duplicate_names, walk
from feedback_ingest.tables import QuarantinedItem

STATUSES = ("held", "replayed", "discarded")
ID_FIELDS = {"feedback": "feedback_id", "inference": "inference_request_id"}


def page(
    session: Session,
    project_id: int,
    *,
    status: str | None = "held",
    stage: str | None = None,
    code: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[QuarantinedItem]:
    """The newest items of a project that fit, newest first, with an id below `before`."""
    wanted = select(QuarantinedItem).where(QuarantinedItem.project_id == project_id)
    for column, value in (
        (QuarantinedItem.status, status),
        (QuarantinedItem.stage, stage),
        (QuarantinedItem.code, code),
    ):
        if value is not None:
            wanted = wanted.where(col(column) == value)
    if before is not None:
        wanted = wanted.where(col(QuarantinedItem.item_id) < before)
    return list(session.exec(wanted.order_by(col(QuarantinedItem.item_id).desc()).limit(limit)))


def find(session: Session, project_id: int, item_id: int) -> QuarantinedItem:
    """One item of the project; raises NotFound."""
    item = session.get(QuarantinedItem, item_id)
    if item is None or item.project_id != project_id:
        raise NotFound()
    return item


def content(item: QuarantinedItem) -> bytes:
    """The event as it would be replayed: mended, or as it was sent."""
    return item.body if item.mended is None else item.mended


def name_of(kind: str, raw: bytes) -> str | None:
    """The id by which the event calls itself; None where it has none that can be read."""
    event = _read(raw)
    name = event.get(ID_FIELDS[kind]) if isinstance(event, dict) else None
    return name if isinstance(name, str) else None


def shown(item: QuarantinedItem, raw: bytes, pepper: Pepper) -> Any:
    """The event for an operator's eyes: JSON with the person's pseudonym in place of `user_id`."""
    event = _read(raw)
    person = _person(event)
    if person is None:
        return event
    pseudonym = pepper.pseudonym(item.project_id, person)
    return {**event, "user_context": {**event["user_context"], "user_id": pseudonym}}


def mend(
    session: Session, item: QuarantinedItem, given: bytes, decider: Decider, now: datetime, is_patch: bool
) -> None:
    """Keeps `given` beside the original: the whole event anew, or a JSON Merge Patch (RFC 7386) of its content.

    The caller commits; raises MalformedJson, TooDeep, or ValidationFailed where it would become another event.
    """
    if item.status == "replayed":
        raise ValidationFailed(faults=(Fault("", "already-replayed"),))
    value = parse(given)
    walk(value)
    refuse_duplicate_names(given, canonical_json(value))
    old = _read(content(item))
    new = merge_patch(old, value) if is_patch else value
    new = _with_person_restored(item, new, old, decider.pepper)
    raw = orjson.dumps(new)
    before, after = name_of(item.kind, item.body), name_of(item.kind, raw)
    is_name = before is not None and (item.kind != "feedback" or canonical_uuid(before) is not None)
    if is_name and (after or "").lower() != (before or "").lower():
        raise ValidationFailed(faults=(Fault(f"/{ID_FIELDS[item.kind]}", "must-not-change"),))
    item.mended, item.status, item.decided_at = raw, "held", now
    session.add(item)
    decider.record(session, item.project_id, "quarantine_mended", str(item.item_id), now)


def merge_patch(target: Any, patch: Any) -> Any:
    """`target` as the JSON Merge Patch `patch` changes it (RFC 7386): null removes a name, objects merge."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def discard(session: Session, items: Sequence[QuarantinedItem], decider: Decider, now: datetime) -> None:
    """Sets items aside for good, unless somebody replays one before it is forgotten; the caller commits."""
    for item in items:
        if item.status == "held":
            item.status, item.decided_at = "discarded", now
            session.add(item)
            decider.record(session, item.project_id, "quarantine_discarded", str(item.item_id), now)


def forget_older(session: Session, days: int, now: datetime) -> None:
    """Retention: items received more than `days` ago are gone for good; the caller commits."""
    session.execute(delete(QuarantinedItem).where(col(QuarantinedItem.received_at) < now - timedelta(days=days)))


def held_by_project(session: Session) -> dict[int, tuple[int, int]]:
    """How many rows and bytes each project has held."""
    return {row.project_id: (row.rows, row.bytes) for row in session.execute(text(COUNT))}


def _read(raw: bytes) -> Any:
    """What the quarantine holds can be parsed, or it would not have been held; None where that ever fails."""
    try:
        return parse(raw)
    except FeedbackError:
        return None


def _person(event: Any) -> str | None:
    context = event.get("user_context") if isinstance(event, dict) else None
    person = context.get("user_id") if isinstance(context, dict) else None
    return person if isinstance(person, str) else None


def _with_person_restored(item: QuarantinedItem, new: Any, old: Any, pepper: Pepper) -> Any:
    """Operators see a pseudonym; one that is sent back unchanged still means the person of the original."""
    person, told = _person(old), _person(new)
    if person is None or told != pepper.pseudonym(item.project_id, person):
        return new
    return {**new, "user_context": {**new["user_context"], "user_id": person}}
