"""RFC 9457 problems, how every refusal looks: never a rejected value, a stack, SQL or a library's words."""

import logging
from collections.abc import Callable
from typing import Any

import orjson

from feedback_ingest.errors import (
    Fault,
    FeedbackError,
    MethodNotAllowed,
    NotFound,
    Refused,
    UriTooLong,
    ValidationFailed,
)

log = logging.getLogger("feedback.api")

Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, bytes]
Send = Callable[[dict[str, Any]], Any]
WHOLE_ANSWER = "feedback.answer"
"""In a scope, where the server puts it: (scope, status, headers, body) -> whether it was written, all at once."""

JSON: Headers = [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff")]
PROBLEM: Headers = [(b"content-type", b"application/problem+json"), (b"x-content-type-options", b"nosniff")]
EXTRA: dict[int, Headers] = {
    401: [(b"www-authenticate", b'Bearer realm="feedback"')],
    415: [(b"accept", b"application/json, application/x-ndjson"), (b"accept-encoding", b"gzip, identity")],
    503: [(b"retry-after", b"1")],
}
BY_STATUS: dict[int, type[FeedbackError]] = {404: NotFound, 405: MethodNotAllowed, 414: UriTooLong}


def body_of(error: FeedbackError, request_id: str, instance: str = "") -> dict[str, Any]:
    """The problem's members; `errors` holds at most 20 pointers with codes, never a value."""
    title = error.code.replace("-", " ").capitalize()
    return {
        "type": f"/problems/{error.code}",
        "title": title,
        "status": error.status,
        "detail": error.detail if isinstance(error, Refused) or error.status == 503 else title,
        "instance": instance,
        "code": error.code,
        "request_id": request_id,
        "retryable": error.retryable,
        "errors": [{"pointer": fault.pointer, "code": fault.code} for fault in error.faults[:20]],
    }


def problem(error: FeedbackError, request_id: str, instance: str = "", extra: Headers | None = None) -> Answer:
    """A whole answer for `error`."""
    headers = PROBLEM + EXTRA.get(error.status, []) + (extra or [])
    return error.status, headers, orjson.dumps(body_of(error, request_id, instance))


def item_problem(error: FeedbackError) -> dict[str, Any]:
    """What one refused item of a batch is told."""
    errors = [{"pointer": fault.pointer, "code": fault.code} for fault in error.faults[:20]]
    return {"status": "refused", "code": error.code, "retryable": error.retryable, "errors": errors}


def whole_refused(told: dict[str, Any], request_id: str, instance: str) -> Answer:
    """The answer for a batch that was to be stored whole: a problem that tells each item's answer beside it."""
    wrong = [
        Fault(f"/events/{item['index']}{fault['pointer']}", fault["code"])
        for item in told["results"]
        for fault in item.get("errors") or ({"pointer": "", "code": item["status"]},)
        if item["status"] in ("refused", "conflict") and fault["code"] != "not-all-accepted"
    ]
    error = ValidationFailed("Not every event could be stored, so nothing of the batch was.", tuple(wrong))
    body = body_of(error, request_id, instance) | told
    return error.status, PROBLEM, orjson.dumps(body, option=orjson.OPT_UTC_Z)


async def answer(scope: dict[str, Any], send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Sends one complete answer: in one piece where the server can."""
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    whole = scope.get(WHOLE_ANSWER)
    if whole is None or not whole(scope, status, headers, body):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
