"""The thin route: raw bytes in, a durable receipt or a named refusal out; no framework between socket and log."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import orjson

from api import deprecated_schemas
from api.buffered import ARRIVED, Buffered
from api.receiver.bodies import JSON_TYPE, NDJSON_TYPE, Receive, bearer, media_type, read_body
from api.receiver.keyring import Keyring
from api.receiver.options import idempotency_key, is_atomic, query
from api.receiver.problems import JSON, Answer, Headers, item_problem, whole_refused
from api.visits import Gate
from feedback_ingest.clock import new_id
from feedback_ingest.errors import BatchTooLarge, Fault, MalformedJson, ValidationFailed
from feedback_ingest.intake import FEEDBACK, Intake, Kind, Verdict
from feedback_ingest.receive import Sender
from feedback_ingest.settings import Settings
from feedback_ingest.strict_json import names_written

Scope = dict[str, Any]


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    """The envelope of a batch: its events as raw bytes, so that each is measured and judged alone."""

    events: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Door:
    """Everything a request needs, put together once by the composition root."""

    settings: Settings
    keyring: Keyring
    intake: Intake
    gate: Gate
    buffered: Buffered
    now: Callable[[], datetime]
    monotonic_s: Callable[[], float]

    async def single(self, kind: Kind, scope: Scope, receive: Receive) -> Answer:
        """One event: 201 stored, 200 known; raises the refusal or the conflict."""
        sender = await self.enter(kind, scope)
        media_type(scope, JSON_TYPE)
        query(scope)
        key = idempotency_key(scope) if kind is FEEDBACK else None
        raw = await self.body(scope, receive)
        began_s = self.monotonic_s()
        [verdict] = await self.take(scope, kind, [raw], sender, key)
        if verdict.error is not None:
            raise verdict.error
        body = _receipt(kind, verdict)
        if kind is FEEDBACK:
            body["attribution"] = "pending"
        status = 201 if verdict.status == "accepted" else 200
        return status, self._timed(began_s, raw, [raw]), orjson.dumps(body, option=orjson.OPT_UTC_Z)

    async def batch(self, kind: Kind, scope: Scope, receive: Receive) -> Answer:
        """Many events: 201 when each is accepted or known, else 207 with each one's answer in request order.

        With `?atomic=true` there is no 207 but 422, with nothing stored and each one's answer in the problem.
        """
        sender = await self.enter(kind, scope)
        media = media_type(scope, JSON_TYPE, NDJSON_TYPE)
        atomic = is_atomic(scope)
        key = idempotency_key(scope) if kind is FEEDBACK else None
        raw = await self.body(scope, receive)
        began_s = self.monotonic_s()
        events = _lines(raw) if media == NDJSON_TYPE else _events(raw)
        if len(events) > self.settings.max_batch_events:
            raise BatchTooLarge()
        verdicts = await self.take(scope, kind, events, sender, key, atomic)
        counts = dict.fromkeys(("accepted", "duplicate", "conflict", "refused"), 0)
        results = []
        for index, verdict in enumerate(verdicts):
            counts[verdict.status] += 1
            results.append({"index": index, **_result(kind, verdict)})
        status = 207 if counts["conflict"] or counts["refused"] else 201
        told = {"counts": counts, "results": results}
        if atomic and status == 207:
            return whole_refused(told, str(new_id()), scope["path"])
        return status, self._timed(began_s, raw, events), orjson.dumps(told, option=orjson.OPT_UTC_Z)

    async def enter(self, kind: Kind, scope: Scope) -> Sender:
        """Who sends; raises Unauthenticated, Forbidden or QuotaExceeded. Browsers log no inferences."""
        public = ("ingest:public",) if kind is FEEDBACK else ()
        sender = await self.keyring.sender(bearer(scope), "ingest", *public)
        if sender.limits is not None:
            await self.gate.enter(sender, scope)
        return sender

    async def enter_to_read(self, scope: Scope) -> Sender:
        """Who reads; raises Unauthenticated or Forbidden."""
        return await self.keyring.sender(bearer(scope), "read", "review")

    async def body(self, scope: Scope, receive: Receive) -> bytes:
        """The body, charged by its bytes where the key has a limit."""
        visit = scope.get("visit")
        limit = self.settings.max_body_bytes if visit is None else visit.max_body_bytes
        if ARRIVED in scope:
            raw = await read_body(scope, receive, limit, self.settings.body_deadline_s)
        else:
            with self.buffered.counting(scope, receive) as counted:
                raw = await read_body(scope, counted, limit, self.settings.body_deadline_s)
        if visit is not None:
            visit.charge(bytes_=len(raw))
        return raw

    async def take(
        self, scope: Scope, kind: Kind, events: list[bytes], sender: Sender, key: str | None, atomic: bool = False
    ) -> list[Verdict]:
        """A verdict for each event, charged and counted where the key has limits."""
        visit = scope.get("visit")
        if visit is None:
            return await self.intake.take(kind, events, sender, self.now(), key, atomic)
        visit.charge(events=len(events))
        verdicts = await self.intake.take(kind, events, sender, self.now(), key, atomic)
        visit.stored(sum(verdict.status == "accepted" for verdict in verdicts))
        return verdicts

    def _timed(self, began_s: float, raw: bytes, events: list[bytes]) -> Headers:
        spent_ms = (self.monotonic_s() - began_s) * 1000
        told = deprecated_schemas.told_to(raw, events, self.intake.receiver.types)
        return [*JSON, (b"server-timing", b"durable;dur=%.1f" % spent_ms), *told]


def _receipt(kind: Kind, verdict: Verdict) -> dict[str, Any]:
    assert verdict.appended is not None
    return {
        kind.id_field: verdict.id,
        "offset": verdict.appended.log_offset,
        "received_at": verdict.received_at,
        "status": verdict.status,
    }


def _result(kind: Kind, verdict: Verdict) -> dict[str, Any]:
    if verdict.error is None:
        return _receipt(kind, verdict)
    named = {kind.id_field: verdict.id} if verdict.id else {}
    return {**named, **item_problem(verdict.error), "status": verdict.status}


def _lines(raw: bytes) -> list[bytes]:
    return [line for line in raw.split(b"\n") if line.strip()]


def _events(raw: bytes) -> list[bytes]:
    """The items of a JSON batch as raw bytes; raises MalformedJson or ValidationFailed."""
    try:
        events = msgspec.json.decode(raw, type=Batch).events
    except msgspec.ValidationError:
        raise ValidationFailed(faults=(Fault("/events", "wrong-type"),)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise MalformedJson() from None
    if not events:
        raise ValidationFailed(faults=(Fault("/events", "too-short"),))
    lines = [bytes(event) for event in events]
    # The parser takes the last of two `events`; only where a second one is possible are all names counted.
    if (raw.count(b'"events"') != 1 or b"\\u00" in raw) and names_written(raw) != 1 + sum(map(names_written, lines)):
        raise MalformedJson("The body writes a name twice in one object; send each name once.")
    return lines
