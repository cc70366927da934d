"""What can go wrong, each with what to do about it; `Problem` is the server's refusal as it was told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with an event: an RFC 6901 `pointer` to the field and a `code`; never the value."""

    pointer: str
    code: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an event was not stored (RFC 9457), or why no answer came.

    `code` is one of the server's codes, or one of ours where no server spoke: `connection-failed`, `timed-out`,
    `unexpected-answer`. `status` is the HTTP status; None where the problem is told about one item of a batch, or
    where there was no answer.
    """

    code: str
    status: int | None = None
    detail: str = ""
    retryable: bool = False
    request_id: str | None = None
    errors: tuple[FieldError, ...] = ()

    def __str__(self) -> str:
        told = f"{self.code} ({self.status})" if self.status else self.code
        told = f"{told}: {self.detail}" if self.detail else told
        fields = ", ".join(f"{error.pointer or '/'} {error.code}" for error in self.errors)
        return f"{told} [{fields}]" if fields else told


@dataclass(frozen=True, slots=True)
class Receipt:
    """The event is durable: `status` is `accepted`, or `duplicate` where the log had it already.

    `id` is its feedback_id or inference_request_id, `offset` its place in the log, `received_at` RFC 3339 text.
    """

    id: str
    status: str
    offset: int
    received_at: str | None = None


class FeedbackError(Exception):
    """Base of everything this package raises on purpose."""


class ConfigurationError(FeedbackError, ValueError):
    """An argument or an environment variable is missing or wrong; the message says which."""


class InvalidEvent(FeedbackError, ValueError):
    """The event cannot be sent as it is: not JSON, too large, or a required field is missing. Nothing was queued."""


class ClientClosed(FeedbackError, RuntimeError):
    """The client was closed; make another."""


class QueueFull(FeedbackError):
    """The queue is at its bound, so this event was not taken. Send it later, raise the bound, or use a spool."""


class SpoolFailed(FeedbackError):
    """The event is queued and will be sent, but the disk did not confirm it (`spool_fsync="always"`)."""


class NotStored(FeedbackError):
    """The event is not known to be stored; `event` is it, id included, and `problem` says why."""

    def __init__(self, event: Mapping[str, Any], problem: Problem) -> None:
        super().__init__(str(problem))
        self.event = event
        self.problem = problem


class Refused(NotStored):
    """The server refused this event for good. Sending the same again gives the same answer."""


class Conflict(Refused):
    """The id is stored with other content: use a new id, or supersede the stored event."""


class Blocked(NotStored):
    """The server takes nothing from this client as it is set up: a wrong key, scope or address."""


class NotDelivered(NotStored):
    """No final answer within the deadline. It may be stored or not: send `event` again, its id makes that safe."""


class RequestFailed(FeedbackError):
    """The server was asked and gave no good answer; `problem` says why. Nothing is left half done."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem
