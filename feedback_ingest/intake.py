"""The one core behind every door: events of one sender in, one verdict each out, each durable or refused by name.

HTTP, gRPC and the import speak their protocols and call `Intake.take`; nothing else writes a client's events.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import NamedTuple

import orjson

from feedback_ingest.errors import (
    EventTooLarge,
    FeedbackError,
    FeedbackIdConflict,
    IdempotencyKeyReused,
    InferenceIdConflict,
    Refused,
    Unstorable,
    ValidationFailed,
)
from feedback_ingest.group_commit import GroupCommit, Held, Outcome
from feedback_ingest.idempotency import feedback_id_of
from feedback_ingest.log import Appended, Item
from feedback_ingest.receive import Receiver, Sender
from feedback_ingest.strict_json import parse
from feedback_ingest.whole_batches import withdrawn


@dataclass(frozen=True, slots=True)
class Kind:
    """What tells the two kinds of events apart: the kind's name, its id's name, the error of a conflict."""

    name: str
    id_field: str
    conflict: type[FeedbackError]


FEEDBACK = Kind("feedback", "feedback_id", FeedbackIdConflict)
INFERENCE = Kind("inference", "inference_request_id", InferenceIdConflict)


class Verdict(NamedTuple):
    """What became of one event. `error` is None where it is stored; then `appended` and `received_at` say how."""

    id: str | None
    error: FeedbackError | None = None
    appended: Appended | None = None
    received_at: datetime | None = None

    @property
    def status(self) -> str:
        """accepted, duplicate, conflict or refused."""
        if self.appended is not None:
            return self.appended.status
        return "conflict" if isinstance(self.error, FeedbackIdConflict | InferenceIdConflict) else "refused"


@dataclass(frozen=True, slots=True)
class Intake:
    """`first_received_at` tells for offsets when their events were first received, where the writer does not know.

    `count` is told of each kind how many events ended how.
    """

    receiver: Receiver
    commits: GroupCommit
    max_event_bytes: int
    first_received_at: Callable[[list[int]], Awaitable[dict[int, datetime]]]
    count: Callable[[str, str, int], None]

    async def take(
        self,
        kind: Kind,
        events: Sequence[bytes],
        sender: Sender,
        now: datetime,
        idempotency_key: str | None = None,
        atomic: bool = False,
        names: Sequence[str | None] = (),
    ) -> list[Verdict]:
        """A verdict for each of `events` (JSON texts), in order, after the commit.

        What does not fit the contract is held in the quarantine. `atomic`: unless every event is accepted or known,
        none is stored. An `idempotency_key` names feedback that comes without a name; raises IdempotencyKeyReused,
        and nothing is stored, where it stands for other content; without one, `names` gives a name, or None, to each.
        Raises Overloaded or StorageUnavailable where nothing is known to be stored: then all may be sent again.
        """
        if idempotency_key is not None:
            names = [feedback_id_of(sender.project_id, idempotency_key, index) for index in range(len(events))]
        named = zip(events, names or repeat(None, len(events)), strict=True)
        looked = [self.look(kind, raw, sender, now, name) for raw, name in named]
        items = [found for found in looked if isinstance(found, Item)]
        whole = (atomic or idempotency_key is not None) and len(events) > 1
        if len(items) == len(looked):
            outcomes: Sequence[Outcome] = await self.commits.submit(items, (), whole)
        else:
            outcomes = await self._submit_some(kind, events, looked, items, sender, now, atomic, whole)
        given = iter(outcomes)
        verdicts = [
            self._verdict(kind, found, next(given), now) if isinstance(found, Item) else Verdict(None, found)
            for found in looked
        ]
        await self._hold_unstorable(kind, events, verdicts, sender, now)
        ended = [verdict.error.code if verdict.error else verdict.status for verdict in verdicts]
        for outcome in set(ended):
            self.count(kind.name, outcome, ended.count(outcome))
        if idempotency_key is not None:
            _refuse_reused(looked, verdicts)
        return await self._with_first_receipts(verdicts) if "duplicate" in ended else verdicts

    async def _submit_some(
        self,
        kind: Kind,
        events: Sequence[bytes],
        looked: Sequence[Item | FeedbackError],
        items: Sequence[Item],
        sender: Sender,
        now: datetime,
        atomic: bool,
        whole: bool,
    ) -> Sequence[Outcome]:
        """Where some are refused: those are held, and the others stored unless that is no use without them."""
        held = self._to_hold(kind, events, looked, sender, now)
        if atomic or any(isinstance(found, IdempotencyKeyReused) for found in looked):
            await self._hold(held)
            return [withdrawn()] * len(items)
        return await self.commits.submit(items, held, whole) if items or held else ()

    def _to_hold(
        self, kind: Kind, events: Sequence[bytes], looked: Sequence[Item | FeedbackError], sender: Sender, now: datetime
    ) -> list[Held]:
        return [
            _held(kind, raw, sender, now, found)
            for raw, found in zip(events, looked, strict=True)
            if isinstance(found, ValidationFailed)
        ]

    async def _hold(self, held: list[Held]) -> None:
        if held:
            await self.commits.submit((), held)

    def look(
        self, kind: Kind, raw: bytes, sender: Sender, now: datetime, name: str | None = None
    ) -> Item | FeedbackError:
        """`raw` as an item for the log, or why it is refused; nothing is stored, held or counted."""
        try:
            if len(raw) > self.max_event_bytes:
                parse(raw)  # what is not even JSON is told so
                raise EventTooLarge()
            if kind is FEEDBACK:
                return self.receiver.feedback(raw, sender, now, name)
            return self.receiver.inference(raw, sender, now)
        except Refused as error:
            return error

    @staticmethod
    def _verdict(kind: Kind, item: Item, outcome: Outcome, now: datetime) -> Verdict:
        if isinstance(outcome, FeedbackError):
            return Verdict(item.id, outcome)
        if outcome.status == "conflict":
            return Verdict(item.id, kind.conflict())
        return Verdict(item.id, None, outcome, now if outcome.status == "accepted" else outcome.received_at)

    async def _hold_unstorable(
        self, kind: Kind, events: Sequence[bytes], verdicts: list[Verdict], sender: Sender, now: datetime
    ) -> None:
        """What Postgres alone refused is known only afterwards; it is held as well."""
        late = [
            _held(kind, raw, sender, now, verdict.error)
            for raw, verdict in zip(events, verdicts, strict=True)
            if isinstance(verdict.error, Unstorable)
        ]
        await self._hold(late)

    async def _with_first_receipts(self, verdicts: list[Verdict]) -> list[Verdict]:
        """A duplicate is answered with the time of its first receipt, as the first answer was."""
        unknown = [v.appended.log_offset for v in verdicts if v.appended is not None and v.received_at is None]
        times = await self.first_received_at(unknown) if unknown else {}
        return [
            v._replace(received_at=times.get(v.appended.log_offset)) if v.appended and v.received_at is None else v
            for v in verdicts
        ]


def _refuse_reused(looked: Sequence[Item | FeedbackError], verdicts: Sequence[Verdict]) -> None:
    """Raises IdempotencyKeyReused where an event under the key has a name of its own, or is known with other content.

    Names under a key are never given otherwise, so a conflict is one of the key.
    """
    if any(isinstance(found, IdempotencyKeyReused) for found in looked) or any(
        verdict.status == "conflict" for verdict in verdicts
    ):
        raise IdempotencyKeyReused()


def _held(kind: Kind, raw: bytes, sender: Sender, now: datetime, error: FeedbackError) -> Held:
    faults = orjson.dumps([{"pointer": fault.pointer, "code": fault.code} for fault in error.faults])
    return Held(sender.project_id, kind.name, sender.key_id, now, error.code, faults.decode(), raw)
