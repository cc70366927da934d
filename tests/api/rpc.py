"""A gRPC client of the API for tests: calls with a key, and errors read out of their rich details."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from sqlalchemy import text
from sqlmodel import Session

from api.grpc_door import feedback_pb2 as pb
from api.grpc_door import feedback_pb2_grpc as stubs

TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Told:
    """What a failed call says: gRPC's status, our code, (pointer, code) of each fault, and the rest."""

    status: grpc.StatusCode
    code: str
    faults: list[tuple[str, str]]
    retry_s: int | None
    trailing: dict[str, str]
    text: str


class Rpc:
    """A client with one key."""

    def __init__(self, channel: grpc.Channel, key: str | None) -> None:
        self.stub = stubs.FeedbackIngestionStub(channel)
        self.metadata = (("authorization", f"Bearer {key}"),) if key else ()

    def call(self, method: str, request: Any, timeout_s: float = TIMEOUT_S) -> Any:
        """The answer of a unary call, or the call of a streaming one."""
        return getattr(self.stub, method)(request, metadata=self.metadata, timeout=timeout_s)

    def submit(self, event: Any, **fields: Any) -> pb.Receipt:
        """The receipt of one event."""
        return self.call("SubmitFeedback", pb.SubmitFeedbackRequest(event=raw(event), **fields)).receipt

    def batch(self, events: Iterable[Any], **fields: Any) -> pb.SubmitFeedbackBatchResponse:
        """The answer to many."""
        return self.call("SubmitFeedbackBatch", pb.SubmitFeedbackBatchRequest(events=map(raw, events), **fields))

    def stream(self, messages: Iterable[Iterable[Any]], timeout_s: float = TIMEOUT_S) -> Any:
        """The acknowledgements of messages of events."""
        return self.call("StreamFeedback", (message(events) for events in messages), timeout_s)

    def read(self, timeout_s: float = TIMEOUT_S, **fields: Any) -> list[pb.LogEvent]:
        """Every event a ReadLog call gives."""
        pages = self.call("ReadLog", pb.ReadLogRequest(**fields), timeout_s)
        return [event for page in pages for event in page.events]

    def refused(self, method: str, request: Any) -> Told:
        """What a call that fails says."""
        try:
            answer = self.call(method, request)
            if hasattr(answer, "__next__"):
                list(answer)
        except grpc.RpcError as error:
            return told(error)
        raise AssertionError(f"{method} did not fail")


def raw(event: Any) -> bytes:
    """The JSON text of an event; bytes as they are."""
    return event if isinstance(event, bytes) else json.dumps(event).encode()


def message(events: Iterable[Any]) -> pb.StreamFeedbackRequest:
    """A message of the stream."""
    return pb.StreamFeedbackRequest(events=map(raw, events))


def event(**fields: Any) -> dict[str, Any]:
    """A valid event with an id of its own."""
    base = {
        "feedback_id": str(uuid.uuid4()),
        "inference_request_id": "r-1",
        "model_version": "m-1",
        "feedback_type": "explicit_binary",
        "feedback_value": {"positive": True},
    }
    return base | fields


def told(error: grpc.RpcError) -> Told:
    """The rich details of a failed call."""
    status = rpc_status.from_call(error)
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    has_retry = False
    for detail in status.details if status is not None else ():
        detail.Unpack(info)
        detail.Unpack(bad)
        has_retry = detail.Unpack(retry) or has_retry
    faults = [(one.field, one.description) for one in bad.field_violations]
    trailing = {name: value for name, value in error.trailing_metadata() or () if isinstance(value, str)}
    wait_s = retry.retry_delay.seconds if has_retry else None
    shown = f"{error.details()} {status} {trailing}"
    return Told(error.code(), info.metadata.get("code", ""), faults, wait_s, trailing, shown)


def stored(session: Session, events: list[dict[str, Any]]) -> int:
    """How many of `events` the log holds."""
    session.rollback()
    names = [one["feedback_id"] for one in events]
    wanted = text("SELECT count(*) FROM staging.feedback_events WHERE id = ANY(:names)")
    return session.execute(wanted, {"names": names}).scalar_one()
