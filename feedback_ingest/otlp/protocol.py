"""OTLP's trace export in JSON (opentelemetry-proto 1.x): its shapes, and the spans of a request with plain values."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Union

import msgspec

from feedback_ingest.canonical import canonical_json
from feedback_ingest.errors import MalformedJson, TooDeep
from feedback_ingest.strict_json import parse, refuse_duplicate_names

WHOLE = re.compile(r"\A-?[0-9]{1,20}\Z", re.ASCII)
Integer = int | str
"""A 64-bit number: ProtoJSON writes it as text and reads either."""


class Message(msgspec.Struct, rename="camel"):
    """A message of the protocol; names that it does not know are ignored, as the protocol demands."""


class KeyValue(Message):
    """One attribute."""

    key: str = ""
    value: Union["AnyValue", None] = None


class ArrayValue(Message):
    """A list."""

    values: list["AnyValue"] = []


class KeyValueList(Message):
    """An object."""

    values: list[KeyValue] = []


class AnyValue(Message):
    """A value: the one member that is set."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Integer | None = None
    double_value: float | str | None = None
    array_value: ArrayValue | None = None
    kvlist_value: KeyValueList | None = None
    bytes_value: str | None = None


class Event(Message):
    """Something that happened within a span."""

    name: str = ""
    attributes: list[KeyValue] = []


class Span(Message):
    """One operation of a trace; ids are hex, times nanoseconds since 1970."""

    trace_id: str = ""
    span_id: str = ""
    start_time_unix_nano: Integer = 0
    end_time_unix_nano: Integer = 0
    attributes: list[KeyValue] = []
    events: list[Event] = []


class ScopeSpans(Message):
    """The spans of one instrumentation."""

    spans: list[Span] = []


class Resource(Message):
    """What sends: a service, its version, where it runs."""

    attributes: list[KeyValue] = []


class ResourceSpans(Message):
    """The spans of one resource."""

    resource: Resource | None = None
    scope_spans: list[ScopeSpans] = []


class ExportTraceServiceRequest(Message):
    """The body of a trace export."""

    resource_spans: list[ResourceSpans] = []


@dataclass(frozen=True, slots=True)
class PlainSpan:
    """A span with plain values: attributes of it, of its resource, and of its events in order."""

    trace_id: str
    span_id: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]


def spans_of(raw: bytes) -> Iterator[PlainSpan]:
    """The spans of a request, in order; raises MalformedJson or TooDeep for what is no trace export in strict JSON."""
    value = parse(raw)
    try:
        refuse_duplicate_names(raw, canonical_json(value))
        request = msgspec.convert(value, ExportTraceServiceRequest)
        return iter([
            _plain_span(span, plain(group.resource.attributes if group.resource else []))
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ])  # fmt: skip
    except msgspec.ValidationError:
        raise MalformedJson("The body is no ExportTraceServiceRequest of OTLP in JSON.") from None
    except (TypeError, RecursionError):  # the writer's own limit
        raise TooDeep() from None


def plain(attributes: Sequence[KeyValue]) -> dict[str, Any]:
    """Attributes as JSON values by name; those without a value are left out."""
    found = {each.key: _plain(each.value) for each in attributes if each.value is not None}
    return {name: value for name, value in found.items() if value is not None}


def _plain_span(span: Span, resource: dict[str, Any]) -> PlainSpan:
    return PlainSpan(
        span.trace_id.lower(),
        span.span_id.lower(),
        _whole(span.start_time_unix_nano) or 0,
        _whole(span.end_time_unix_nano) or 0,
        plain(span.attributes),
        resource,
        [(event.name, plain(event.attributes)) for event in span.events],
    )


def _plain(value: AnyValue) -> Any:
    if value.array_value is not None:
        return [_plain(each) for each in value.array_value.values]
    if value.kvlist_value is not None:
        return plain(value.kvlist_value.values)
    if value.int_value is not None:
        return _whole(value.int_value)
    if value.double_value is not None:
        return _finite(value.double_value)
    if value.bool_value is not None:
        return value.bool_value
    return value.bytes_value if value.string_value is None else value.string_value


def _whole(number: Integer) -> int | None:
    if isinstance(number, str):
        number = int(number) if WHOLE.match(number) else 2**63
    return number if -(2**63) <= number < 2**63 else None


def _finite(number: float | str) -> float | None:
    """A number; None for NaN and the infinities, which ProtoJSON writes as text and JSON cannot hold."""
    return number if isinstance(number, float) and math.isfinite(number) else None
