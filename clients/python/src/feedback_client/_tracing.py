"""The W3C traceparent of the caller's OpenTelemetry span, where the API package is installed."""

import sys
from functools import cache
from typing import Any


@cache
def _trace() -> Any:
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace


def current_traceparent() -> str | None:
    """The current span as `00-<trace>-<span>-<flags>`; None without OpenTelemetry or outside a span.

    Looked for only once the application itself has imported OpenTelemetry: without that there is no span to carry.
    """
    if "opentelemetry.trace" not in sys.modules:
        return None
    trace = _trace()
    if trace is None:
        return None
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"
