"""What an answer means: every event settled, try again, try smaller, or blocked. Pure: no connection, no clock."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from feedback_client.errors import FieldError, Problem, Receipt

Outcome = Receipt | Problem


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer: the connection failed or the time was over. The events may be stored or not."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Settled:
    """One outcome for each event, in order; a problem that is `retryable` is not final."""

    outcomes: list[Outcome]


@dataclass(frozen=True, slots=True)
class Again:
    """Nothing is known or nothing was stored: send the same events again, not before `after` seconds.

    `doubtful` is a failure of the server that it does not call passing: one of the events may be what it fails at.
    """

    problem: Problem
    after: float = 0.0
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Smaller:
    """The batch as a whole was refused: each half apart."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class Refusing:
    """The server takes nothing from this client: its key, its scope or the address is wrong."""

    problem: Problem


Verdict = Settled | Again | Smaller | Refusing

ABOUT_THE_EVENTS = (400, 413, 422)
PASSING = (408, 425, 429)
MAX_WAIT_S = 600.0


def judge(reply: Answer | Failure, count: int, *, single: bool) -> Verdict:
    """What `reply` means for the `count` events that were sent, to the endpoint for one event or for a batch."""
    if isinstance(reply, Failure):
        return Again(Problem(reply.code, None, reply.detail, retryable=True))
    if reply.status in (200, 201, 207):
        return _stored(reply, count, single=single)
    problem = problem_of(reply)
    if reply.status in PASSING or reply.status >= 500:
        # Without a word of the server's own it is a proxy or a crash, which passes.
        return Again(problem, retry_after(reply), doubtful=reply.status == 500 and not problem.retryable)
    if single and reply.status in (*ABOUT_THE_EVENTS, 403, 409):
        return Settled([problem])
    if reply.status in ABOUT_THE_EVENTS:
        return Settled([problem]) if count == 1 else Smaller(problem)
    return Refusing(problem)


def _stored(reply: Answer, count: int, *, single: bool) -> Verdict:
    try:
        told = json.loads(reply.body)
        if single:
            return Settled([_receipt(told)])
        outcomes = {result["index"]: _item_outcome(result) for result in told["results"]}
        if len(outcomes) != count:
            raise ValueError(len(outcomes))
        return Settled([outcomes[index] for index in range(count)])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        # Something else answers at this address, or the answer was cut: nothing is known about the events.
        return Again(Problem("unexpected-answer", reply.status, "not an answer of a feedback server", retryable=True))


def _item_outcome(result: dict[str, Any]) -> Outcome:
    if result["status"] in ("accepted", "duplicate"):
        return _receipt(result)
    if result["status"] not in ("conflict", "refused"):
        raise ValueError(result["status"])
    status = 409 if result["status"] == "conflict" else None
    return Problem(str(result["code"]), status, "", result.get("retryable") is True, None, _errors(result))


def _receipt(told: dict[str, Any]) -> Receipt:
    name = told.get("feedback_id") or told["inference_request_id"]
    return Receipt(str(name), str(told["status"]), int(told["offset"]), told.get("received_at"))


def problem_of(reply: Answer) -> Problem:
    """The problem an answer tells; where it tells none, the status alone."""
    try:
        told = json.loads(reply.body)
        code, retryable = str(told["code"])[:100], told.get("retryable")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        passing = reply.status in PASSING or reply.status >= 500
        return Problem(f"http-{reply.status}", reply.status, "", passing)
    request_id = told.get("request_id")
    return Problem(
        code,
        reply.status,
        str(told.get("detail") or "")[:500],
        retryable is True,
        None if request_id is None else str(request_id),
        _errors(told),
    )


def _errors(told: dict[str, Any]) -> tuple[FieldError, ...]:
    errors = told.get("errors")
    found = errors if isinstance(errors, list) else []
    return tuple(FieldError(str(e.get("pointer", "")), str(e.get("code", ""))) for e in found if isinstance(e, dict))


def retry_after(reply: Answer) -> float:
    """Seconds to wait, from seconds or an HTTP date; 0 where nothing sensible is said, at most ten minutes."""
    said = reply.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said), MAX_WAIT_S)
    try:
        moment = parsedate_to_datetime(said)
    except (TypeError, ValueError):
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), MAX_WAIT_S)
