"""How gRPC tells an error: google.rpc details for a whole call, a Problem for one event; never a rejected value."""

from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

from api.grpc_door import feedback_pb2 as pb
from feedback_ingest.errors import FeedbackError, Refused

DOMAIN = "feedback.v1"
BY_STATUS = {
    400: code_pb2.INVALID_ARGUMENT,
    401: code_pb2.UNAUTHENTICATED,
    403: code_pb2.PERMISSION_DENIED,
    404: code_pb2.NOT_FOUND,
    405: code_pb2.UNIMPLEMENTED,
    408: code_pb2.DEADLINE_EXCEEDED,
    409: code_pb2.ALREADY_EXISTS,
    413: code_pb2.RESOURCE_EXHAUSTED,
    414: code_pb2.INVALID_ARGUMENT,
    415: code_pb2.INVALID_ARGUMENT,
    422: code_pb2.INVALID_ARGUMENT,
    429: code_pb2.RESOURCE_EXHAUSTED,
    500: code_pb2.INTERNAL,
    503: code_pb2.UNAVAILABLE,
}
FAULTS = 20
FAULTS_BYTES = 3_000
"""What the faults of one status may take: it travels as metadata, of which clients take 8 KiB by default."""


def status_of(error: FeedbackError, request_id: str, wait_s: int = 1) -> status_pb2.Status:
    """`error` with ErrorInfo, RequestInfo and, where they say something, BadRequest and RetryInfo after `wait_s`."""
    is_told = isinstance(error, Refused) or error.status == 503
    status = status_pb2.Status(code=BY_STATUS[error.status], message=error.detail if is_told else error.code)
    told = {"code": error.code, "http_status": str(error.status), "retryable": str(error.retryable).lower()}
    details = [
        error_details_pb2.ErrorInfo(reason=_upper(error.code), domain=DOMAIN, metadata=told),
        error_details_pb2.RequestInfo(request_id=request_id),
    ]
    if error.faults:
        details.append(_violations(error))
    if error.retryable:
        details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=wait_s)))
    for detail in details:
        status.details.add().Pack(detail)
    return status


def problem_of(error: FeedbackError) -> pb.Problem:
    """What one refused event of many is told."""
    faults = (pb.Fault(pointer=fault.pointer, code=fault.code) for fault in error.faults[:FAULTS])
    return pb.Problem(code=error.code, retryable=error.retryable, errors=faults)


def _violations(error: FeedbackError) -> error_details_pb2.BadRequest:
    found, size = error_details_pb2.BadRequest(), 0
    for fault in error.faults[:FAULTS]:
        size += 2 * len(fault.code) + len(fault.pointer.encode()) + 12
        if size > FAULTS_BYTES:
            break
        found.field_violations.add(field=fault.pointer, description=fault.code, reason=_upper(fault.code))
    return found


def _upper(code: str) -> str:
    return code.replace("-", "_").upper()
