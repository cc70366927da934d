"""Replay: quarantined events through the normal path again, under the same id; doing it twice stores nothing twice."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import uuid5

from sqlmodel import Session, col, select

from feedback_ingest.clock import utc_now
from feedback_ingest.decisions import COMMAND_LINE, OPERATOR, Decider
from feedback_ingest.errors import FeedbackError
from feedback_ingest.held import Held
from feedback_ingest.idempotency import NAMESPACE
from feedback_ingest.intake import FEEDBACK, INFERENCE, Intake, Kind, Verdict
from feedback_ingest.log import Item
from feedback_ingest.postgres import Database
from feedback_ingest.quarantine import content, name_of
from feedback_ingest.receive import Receiver, Sender
from feedback_ingest.tables import Credential, QuarantinedItem

CHUNK = 200
KINDS: dict[str, Kind] = {kind.name: kind for kind in (FEEDBACK, INFERENCE)}


@dataclass(frozen=True, slots=True)
class Before:
    """A receiver for one event received before: it is called `name` where it has no name of its own, and where it names
    no time it occurred when it was `first_received`."""

    receiver: Receiver
    first_received: datetime
    name: str

    def feedback(self, raw: bytes, sender: Sender, now: datetime, _: str | None = None) -> Item:
        """As Receiver.feedback."""
        name = None if name_of("feedback", raw) else self.name
        return self._backdated(self.receiver.feedback(raw, sender, now, name))

    def inference(self, raw: bytes, sender: Sender, now: datetime) -> Item:
        """As Receiver.inference."""
        return self._backdated(self.receiver.inference(raw, sender, now))

    def _backdated(self, item: Item) -> Item:
        return item._replace(occurred_at=min(item.occurred_at, self.first_received))


class Again(Intake):
    """The intake for what is in the quarantine already: nothing is held anew."""

    __slots__ = ()

    def _to_hold(self, *_: Any) -> list[Held]:
        return []

    async def _hold(self, held: list[Held]) -> None:
        """It is held."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one item: `status` as its event's verdict; `error` says why it stays held."""

    item_id: int
    event_id: str | None
    status: str
    log_offset: int | None
    error: FeedbackError | None = None


async def replay(
    database: Database, intake: Intake, items: Sequence[QuarantinedItem], decider: Decider
) -> list[Replayed]:
    """Sends `items` again; what is stored is marked, what is refused stays held with its new faults.

    An item replayed before is known, and answered so. Raises Overloaded or StorageUnavailable; then replay again.
    """
    results: list[Replayed] = []
    for start in range(0, len(items), CHUNK):
        chunk = items[start : start + CHUNK]
        senders = await asyncio.to_thread(_senders, database, chunk)
        verdicts = await asyncio.gather(*(_again(intake, item, senders[item.key_id]) for item in chunk))
        outcomes = [_replayed(item, verdict) for item, verdict in zip(chunk, verdicts, strict=True)]
        await asyncio.to_thread(_mark, database, outcomes, decider)
        results += outcomes
    return results


async def _again(intake: Intake, item: QuarantinedItem, sender: Sender) -> Verdict:
    name = str(uuid5(NAMESPACE, f"quarantine/{item.project_id}/{item.item_id}"))
    receiver = cast(Receiver, Before(intake.receiver, item.received_at, name))
    path = Again(receiver, intake.commits, intake.max_event_bytes, intake.first_received_at, intake.count)
    [verdict] = await path.take(KINDS[item.kind], [content(item)], sender, utc_now())
    return verdict


def _replayed(item: QuarantinedItem, verdict: Verdict) -> Replayed:
    offset = verdict.appended.log_offset if verdict.appended else None
    return Replayed(item.item_id or 0, verdict.id, verdict.status, offset, verdict.error)


def senders_of(session: Session, items: Sequence[QuarantinedItem]) -> dict[str, Sender]:
    """Who sent them by key id, with what their keys may do, valid still or not; what is old may come back."""
    names = {item.key_id: item.project_id for item in items}
    found = session.exec(select(Credential).where(col(Credential.key_id).in_(names)))
    scopes = {COMMAND_LINE: OPERATOR} | {credential.key_id: frozenset(credential.scopes) for credential in found}
    return {
        name: Sender(name, project_id, scopes.get(name, frozenset({"ingest"})) | {"backfill"})
        for name, project_id in names.items()
    }


def _senders(database: Database, items: Sequence[QuarantinedItem]) -> dict[str, Sender]:
    with Session(database.engine) as session:
        return senders_of(session, items)


def _mark(database: Database, outcomes: Sequence[Replayed], decider: Decider) -> None:
    """What was stored is replayed, the rest stays held and says why; one decision for all that changed."""
    now = utc_now()
    with Session(database.engine) as session:
        rows = session.exec(
            select(QuarantinedItem).where(col(QuarantinedItem.item_id).in_([found.item_id for found in outcomes]))
        )
        items = {item.item_id: item for item in rows}
        stored = []
        for found in outcomes:
            item = items.get(found.item_id)
            if item is None:
                continue
            if found.error is not None:
                item.code = found.error.code
                item.faults = [{"pointer": fault.pointer, "code": fault.code} for fault in found.error.faults]
            elif item.status != "replayed":
                item.status, item.decided_at, item.log_offset = "replayed", now, found.log_offset
                stored.append({"item": found.item_id, "id": found.event_id, "offset": found.log_offset})
        if stored:
            project_id = next(iter(items.values())).project_id
            subject = str(stored[0]["item"]) if len(stored) == 1 else f"{len(stored)} items"
            decider.record(session, project_id, "quarantine_replayed", subject, now, items=stored)
        session.commit()
