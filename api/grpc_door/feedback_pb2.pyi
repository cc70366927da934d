import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATUS_UNSPECIFIED: _ClassVar[Status]
    STATUS_ACCEPTED: _ClassVar[Status]
    STATUS_DUPLICATE: _ClassVar[Status]
    STATUS_CONFLICT: _ClassVar[Status]
    STATUS_REFUSED: _ClassVar[Status]
STATUS_UNSPECIFIED: Status
STATUS_ACCEPTED: Status
STATUS_DUPLICATE: Status
STATUS_CONFLICT: Status
STATUS_REFUSED: Status

class SubmitFeedbackRequest(_message.Message):
    __slots__ = ("event", "idempotency_key")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    event: bytes
    idempotency_key: str
    def __init__(self, event: _Optional[bytes] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class SubmitFeedbackResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ...) -> None: ...

class SubmitFeedbackBatchRequest(_message.Message):
    __slots__ = ("events", "idempotency_key", "atomic")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ATOMIC_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedScalarFieldContainer[bytes]
    idempotency_key: str
    atomic: bool
    def __init__(self, events: _Optional[_Iterable[bytes]] = ..., idempotency_key: _Optional[str] = ..., atomic: _Optional[bool] = ...) -> None: ...

class SubmitFeedbackBatchResponse(_message.Message):
    __slots__ = ("counts", "receipts")
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    counts: Counts
    receipts: _containers.RepeatedCompositeFieldContainer[Receipt]
    def __init__(self, counts: _Optional[_Union[Counts, _Mapping]] = ..., receipts: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ...) -> None: ...

class StreamFeedbackRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, events: _Optional[_Iterable[bytes]] = ...) -> None: ...

class StreamFeedbackResponse(_message.Message):
    __slots__ = ("receipts",)
    RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    receipts: _containers.RepeatedCompositeFieldContainer[Receipt]
    def __init__(self, receipts: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ...) -> None: ...

class LogInferenceRequest(_message.Message):
    __slots__ = ("inference",)
    INFERENCE_FIELD_NUMBER: _ClassVar[int]
    inference: bytes
    def __init__(self, inference: _Optional[bytes] = ...) -> None: ...

class LogInferenceResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ...) -> None: ...

class LogInferenceBatchRequest(_message.Message):
    __slots__ = ("inferences", "atomic")
    INFERENCES_FIELD_NUMBER: _ClassVar[int]
    ATOMIC_FIELD_NUMBER: _ClassVar[int]
    inferences: _containers.RepeatedScalarFieldContainer[bytes]
    atomic: bool
    def __init__(self, inferences: _Optional[_Iterable[bytes]] = ..., atomic: _Optional[bool] = ...) -> None: ...

class LogInferenceBatchResponse(_message.Message):
    __slots__ = ("counts", "receipts")
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    counts: Counts
    receipts: _containers.RepeatedCompositeFieldContainer[Receipt]
    def __init__(self, counts: _Optional[_Union[Counts, _Mapping]] = ..., receipts: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("status", "id", "offset", "received_at", "problem")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    status: Status
    id: str
    offset: int
    received_at: _timestamp_pb2.Timestamp
    problem: Problem
    def __init__(self, status: _Optional[_Union[Status, str]] = ..., id: _Optional[str] = ..., offset: _Optional[int] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., problem: _Optional[_Union[Problem, _Mapping]] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("code", "retryable", "errors")
    CODE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    code: str
    retryable: bool
    errors: _containers.RepeatedCompositeFieldContainer[Fault]
    def __init__(self, code: _Optional[str] = ..., retryable: _Optional[bool] = ..., errors: _Optional[_Iterable[_Union[Fault, _Mapping]]] = ...) -> None: ...

class Fault(_message.Message):
    __slots__ = ("pointer", "code")
    POINTER_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    pointer: str
    code: str
    def __init__(self, pointer: _Optional[str] = ..., code: _Optional[str] = ...) -> None: ...

class Counts(_message.Message):
    __slots__ = ("accepted", "duplicate", "conflict", "refused")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    duplicate: int
    conflict: int
    refused: int
    def __init__(self, accepted: _Optional[int] = ..., duplicate: _Optional[int] = ..., conflict: _Optional[int] = ..., refused: _Optional[int] = ...) -> None: ...

class ReadLogRequest(_message.Message):
    __slots__ = ("start", "kinds", "limit", "follow")
    START_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    start: str
    kinds: _containers.RepeatedScalarFieldContainer[str]
    limit: int
    follow: bool
    def __init__(self, start: _Optional[str] = ..., kinds: _Optional[_Iterable[str]] = ..., limit: _Optional[int] = ..., follow: _Optional[bool] = ...) -> None: ...

class ReadLogResponse(_message.Message):
    __slots__ = ("events", "next_offset")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[LogEvent]
    next_offset: int
    def __init__(self, events: _Optional[_Iterable[_Union[LogEvent, _Mapping]]] = ..., next_offset: _Optional[int] = ...) -> None: ...

class LogEvent(_message.Message):
    __slots__ = ("offset", "kind", "id", "received_at", "occurred_at", "body")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    offset: int
    kind: str
    id: str
    received_at: _timestamp_pb2.Timestamp
    occurred_at: _timestamp_pb2.Timestamp
    body: bytes
    def __init__(self, offset: _Optional[int] = ..., kind: _Optional[str] = ..., id: _Optional[str] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., occurred_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., body: _Optional[bytes] = ...) -> None: ...
