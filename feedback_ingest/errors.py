"""One tree of errors: each has a docstring (its message), a wire code and a status; nothing else is told outside."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an event: an RFC 6901 `pointer` to the field and a `code` that names the remedy."""

    pointer: str
    code: str


class FeedbackError(Exception):
    """Something went wrong that an operator can mend."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str | None = None, faults: tuple[Fault, ...] = ()) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.faults = faults
        super().__init__(self.detail)


class Refused(FeedbackError):
    """The request was refused."""

    status = 400


class MalformedJson(Refused):
    """The body is not valid JSON in UTF-8 without duplicate names; send RFC 8259 JSON."""

    code = "malformed-json"


class TooDeep(Refused):
    """The JSON nests deeper than 32 levels; flatten it."""

    code = "too-deep"


class MalformedCoding(Refused):
    """The body is not one complete gzip member; compress it again or send it plain."""

    code = "malformed-content-encoding"


class Unauthenticated(Refused):
    """A valid key is needed in the Authorization header as a Bearer token."""

    code = "unauthenticated"
    status = 401


class Forbidden(Refused):
    """The key is valid but lacks the scope for this; ask for a key with it."""

    code = "forbidden"
    status = 403


class NotFound(Refused):
    """There is nothing at this address."""

    code = "not-found"
    status = 404


class MethodNotAllowed(Refused):
    """This address does not take that method; see the Allow header."""

    code = "method-not-allowed"
    status = 405


class RequestTimeout(Refused):
    """The body did not arrive in time; send it again."""

    code = "request-timeout"
    status = 408
    retryable = True


class FeedbackIdConflict(Refused):
    """This feedback_id is stored with other content; use a new feedback_id, or supersede the stored event."""

    code = "feedback-id-conflict"
    status = 409


class InferenceIdConflict(Refused):
    """This inference_request_id is stored with other content; an inference is logged once."""

    code = "inference-id-conflict"
    status = 409


class TaskMovedOn(Refused):
    """The task's lease is over, or it is no longer open for this; claim another."""

    code = "task-moved-on"
    status = 409


class PayloadTooLarge(Refused):
    """The decoded body is larger than allowed; send smaller batches."""

    code = "payload-too-large"
    status = 413


class EventTooLarge(Refused):
    """The event is larger than allowed; refer to large content instead of sending it."""

    code = "event-too-large"
    status = 413


class BatchTooLarge(Refused):
    """The batch holds more events than allowed; split it."""

    code = "batch-too-large"
    status = 413


class UriTooLong(Refused):
    """The address is too long."""

    code = "uri-too-long"
    status = 414


class UnsupportedMediaType(Refused):
    """Send application/json (or application/x-ndjson for a batch), plain or as one gzip coding."""

    code = "unsupported-media-type"
    status = 415


class ValidationFailed(Refused):
    """The event does not fit the contract; see errors for the fields."""

    code = "validation-failed"
    status = 422


class HeadersTooLarge(Refused):
    """The request's headers are larger than allowed; send fewer or shorter ones."""

    code = "headers-too-large"
    status = 431


class IdempotencyKeyReused(Refused):
    """The Idempotency-Key stands for another body, or for an event that names its own feedback_id."""

    code = "idempotency-key-reused"
    status = 422


class Unstorable(Refused):
    """The database refused this event's content; it is kept in the quarantine."""

    code = "unstorable"
    status = 422


class QuotaExceeded(Refused):
    """The key's quota is used up; wait as Retry-After says."""

    code = "quota-exceeded"
    status = 429
    retryable = True


class Overloaded(FeedbackError):
    """Too much is waiting to be stored; send it again as Retry-After says."""

    code = "overloaded"
    status = 503
    retryable = True


class StorageUnavailable(FeedbackError):
    """The log cannot be written now, or the outcome is unknown; it is safe to send the same event again."""

    code = "storage-unavailable"
    status = 503
    retryable = True


class StorageFull(StorageUnavailable):
    """The log's disk is full; nothing was stored, send it again later."""

    code = "storage-full"


class SetupError(FeedbackError):
    """Something outside is missing or wrong; the message says what, and what to do."""


class DatabaseUnavailable(SetupError):
    """The database cannot be reached; check FEEDBACK_DATABASE_URL and that the server is up."""


class SchemaMismatch(SetupError):
    """The database has another schema version than this program; run `feedback migrate` or update the program."""


class DataDirMismatch(SetupError):
    """The data directory was made by another version; migrate it or choose another with FEEDBACK_DATA_DIR."""


def every_code() -> dict[str, tuple[int, bool, str]]:
    """The closed table of codes on the wire: code → (status, retryable, what it means and the remedy)."""

    def below(kind: type[FeedbackError]) -> list[type[FeedbackError]]:
        return [kind, *(leaf for child in kind.__subclasses__() for leaf in below(child))]

    told = (
        kind
        for kind in below(FeedbackError)
        if kind.__module__ == __name__ and not issubclass(kind, SetupError) and kind is not Refused
    )
    return {kind.code: (kind.status, kind.retryable, (kind.__doc__ or "").strip()) for kind in told}
