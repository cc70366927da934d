"""From what a caller says to the bytes on the wire: completed once, encoded once, the same at every attempt."""

import json
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from feedback_client._identity import new_id, now, rfc3339, time_within
from feedback_client._tracing import current_traceparent
from feedback_client.errors import InvalidEvent

FEEDBACK = "F"
INFERENCE = "I"
ID_FIELD = {FEEDBACK: "feedback_id", INFERENCE: "inference_request_id"}
REQUIRED = {
    FEEDBACK: ("inference_request_id", "model_version", "feedback_type", "feedback_value"),
    INFERENCE: ("model_version", "outputs"),
}


class Item(NamedTuple):
    """One event ready to be sent: its kind (`F` feedback, `I` inference) and its JSON."""

    kind: str
    body: bytes

    def event(self) -> dict[str, Any]:
        """The event as it is sent, id included."""
        event: dict[str, Any] = json.loads(self.body)
        return event


def _plain(value: Any) -> Any:
    """What JSON has no word for: times, UUIDs, enumerations, other mappings, NumPy scalars and arrays."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode


def feedback_item(event: Mapping[str, object], defaults: Mapping[str, object], limit: int) -> tuple[str, Item]:
    """The event's id and its item of at most `limit` bytes; raises InvalidEvent.

    Without an id it gets a new one and the trace of the caller's span. Its time is the id's own, so an event that is
    built twice under one id stays the same content.
    """
    complete = {**defaults, **event}
    if complete.get("feedback_id") is None:
        complete["feedback_id"] = new_id()
        _add(complete, "traceparent", current_traceparent())
    feedback_id = complete["feedback_id"] = str(complete["feedback_id"])
    _add(complete, "occurred_at", time_within(feedback_id))
    return feedback_id, _item(FEEDBACK, complete, limit)


def inference_item(record: Mapping[str, object], defaults: Mapping[str, object], limit: int) -> tuple[str, Item]:
    """The record's inference_request_id, made here where it is absent, and its item; raises InvalidEvent."""
    complete = {**defaults, **record}
    if complete.get("inference_request_id") is None:
        complete["inference_request_id"] = new_id()
    _add(complete, "traceparent", current_traceparent())
    _add(complete, "occurred_at", now())
    return str(complete["inference_request_id"]), _item(INFERENCE, complete, limit)


def _add(complete: dict[str, object], name: str, value: str | None) -> None:
    if value is not None and complete.get(name) is None:
        complete[name] = value


def _item(kind: str, complete: dict[str, object], limit: int) -> Item:
    missing = [name for name in REQUIRED[kind] if complete.get(name) is None]
    if missing:
        raise InvalidEvent(f"{', '.join(missing)} must be given")
    try:
        body = _encode(complete).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidEvent(f"the event cannot be written as JSON: {_reason(error)}") from error
    if len(body) > limit:
        raise InvalidEvent(f"the event has {len(body)} bytes, more than max_event_bytes ({limit})")
    return Item(kind, body)


def _reason(error: Exception) -> str:
    """Why, without the value: it may be personal, and messages end up in logs."""
    if isinstance(error, UnicodeError):
        return "a text holds half a surrogate pair"
    return "it nests too deeply" if isinstance(error, RecursionError) else str(error)
