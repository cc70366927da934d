"""One gRPC call: who makes it, what it sends, what it is answered; the same keys, limits and core as HTTP."""

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status
from sqlmodel import Session

from api import deprecated_schemas, meters
from api.grpc_door.statuses import status_of
from api.looking import look
from feedback_ingest.clock import monotonic_s, new_id
from feedback_ingest.errors import (
    BatchTooLarge,
    Fault,
    FeedbackError,
    MalformedJson,
    PayloadTooLarge,
    RequestTimeout,
    ValidationFailed,
)
from feedback_ingest.intake import Intake, Kind, Verdict
from feedback_ingest.log import head
from feedback_ingest.postgres import Database
from feedback_ingest.receive import Sender
from feedback_ingest.settings import Settings

Scope = dict[str, Any]
AnyMessage = TypeVar("AnyMessage", bound=Message)
Found = TypeVar("Found")
FRESH_S = 0.1
KEY = re.compile(r"\A[\x20-\x7e]{1,255}\Z")
TOLD_OF_LIMITS = {b"ratelimit", b"ratelimit-policy", b"retry-after"}


class Door(Protocol):
    """What gRPC needs of the receiver's door."""

    @property
    def settings(self) -> Settings:
        """Its limits."""

    @property
    def intake(self) -> Intake:
        """The core."""

    async def enter(self, kind: Kind, scope: Scope) -> Sender:
        """Who sends."""

    async def enter_to_read(self, scope: Scope) -> Sender:
        """Who reads."""

    async def take(
        self, scope: Scope, kind: Kind, events: list[bytes], sender: Sender, key: str | None, atomic: bool = False
    ) -> list[Verdict]:
        """The verdicts, after the commit."""


@dataclass(slots=True)
class Newest:
    """The newest offset, and when it was asked for."""

    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    at_s: float = float("-inf")
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Shared:
    """What all calls share; `closing` is set when the server is about to stop."""

    door: Door
    database: Database
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    newest: Newest = field(default_factory=Newest)

    async def look(self, query: Callable[[Session], Found]) -> Found:
        """What `query` finds in the database; raises StorageUnavailable."""
        return await look(self.database, query)

    async def head(self) -> int:
        """The last committed offset, as of at most a tenth of a second ago, however many ask."""
        async with self.newest.asking:
            if monotonic_s() - self.newest.at_s >= FRESH_S:
                self.newest.offset, self.newest.at_s = await self.look(head), monotonic_s()
        return self.newest.offset


class Call:
    """What a method is given."""

    def __init__(self, method: str, shared: Shared, context: Any) -> None:
        self.shared, self.door, self.context = shared, shared.door, context
        self._method = method
        metadata = context.invocation_metadata() or ()
        headers = [(name.encode(), value.encode() if isinstance(value, str) else value) for name, value in metadata]
        self.scope: Scope = {"headers": headers}
        self._deprecation: list[tuple[bytes, bytes]] = []

    async def request(self, shape: type[AnyMessage]) -> AnyMessage:
        """The one message of a unary call; raises RequestTimeout, PayloadTooLarge or MalformedJson."""
        try:
            async with asyncio.timeout(self.door.settings.body_deadline_s):
                raw = await self.context.read()
        except TimeoutError:
            raise RequestTimeout() from None
        if raw is grpc.aio.EOF:
            raise MalformedJson("The call ended before its message was complete; send it again.")
        return self.parsed(raw, shape)

    def parsed(self, raw: bytes, shape: type[AnyMessage]) -> AnyMessage:
        """`raw` as a message, charged by its bytes where the key has a limit."""
        visit = self.scope.get("visit")
        if len(raw) > (self.door.settings.max_body_bytes if visit is None else visit.max_body_bytes):
            raise PayloadTooLarge()
        if visit is not None:
            visit.charge(bytes_=len(raw))
        try:
            return shape.FromString(raw)
        except DecodeError:
            raise MalformedJson("The message is not this method's; generate your client from the .proto.") from None

    def sized(self, events: Iterable[bytes]) -> list[bytes]:
        """The events of a message; raises BatchTooLarge, or ValidationFailed where there is none."""
        given = list(events)
        if not given:
            raise ValidationFailed(faults=(Fault("/events", "too-short"),))
        if len(given) > self.door.settings.max_batch_events:
            raise BatchTooLarge()
        return given

    async def take(
        self, kind: Kind, events: list[bytes], sender: Sender, key: str = "", atomic: bool = False
    ) -> list[Verdict]:
        """The verdicts on `events`; what is begun is finished, and counted, even when the client goes away."""
        name = _idempotency_key(key) if key else None
        begun = asyncio.ensure_future(self.door.take(self.scope, kind, events, sender, name, atomic))
        begun.add_done_callback(_look)
        verdicts = await asyncio.shield(begun)
        self._deprecation = deprecated_schemas.told_to(b"".join(events), events, self.door.intake.receiver.types)
        return verdicts

    async def answer(self, message: Message) -> None:
        """Sends one message; waits while the client does not read."""
        await self.context.write(message.SerializeToString())

    def metadata(self) -> list[tuple[str, str]]:
        """What the call's end tells beside its status: limits of a limited key, and schema versions that end."""
        visit = self.scope.get("visit")
        limits = [pair for pair in visit.headers() if pair[0] in TOLD_OF_LIMITS] if visit is not None else []
        return [(name.decode(), value.decode()) for name, value in (*limits, *self._deprecation)]

    def end(self) -> None:
        """The call went well."""
        meters.CALLS.labels(self._method, "OK").inc()
        self.context.set_trailing_metadata(tuple(self.metadata()))

    async def refuse(self, error: FeedbackError) -> None:
        """Ends the call with `error`."""
        metadata = self.metadata()
        wait_s = int(dict(metadata).get("retry-after", 1))
        told = rpc_status.to_status(status_of(error, str(new_id()), wait_s))
        meters.CALLS.labels(self._method, told.code.name).inc()
        await self.context.abort(told.code, told.details, (*told.trailing_metadata, *metadata))


def _idempotency_key(text: str) -> str:
    if not KEY.match(text) or not text.strip():
        fault = Fault("/idempotency_key", "bad-key")
        raise ValidationFailed("The idempotency_key is not 1 to 255 visible characters.", (fault,))
    return text


def _look(begun: asyncio.Future[list[Verdict]]) -> None:
    """A client that went away leaves nobody to read the outcome; that is no error of the loop."""
    _ = begun.cancelled() or begun.exception()
