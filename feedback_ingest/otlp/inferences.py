"""Which spans are inferences (GenAI semantic conventions, the newest and those before), and what each says."""

import re
from datetime import UTC, datetime
from typing import Any

from feedback_ingest.otlp.messages import inputs_of, outputs_of
from feedback_ingest.otlp.protocol import PlainSpan

OPERATIONS = frozenset({"chat", "generate_content", "text_completion"})
"""Operations that answer; agents, tools and embeddings are steps around them."""

OLDER_OPERATIONS = {"chat": "chat", "completion": "text_completion"}
OLDER_USAGE = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
TRACE_ID = re.compile(r"\A(?!0{32})[0-9a-f]{32}\Z")
SPAN_ID = re.compile(r"\A(?!0{16})[0-9a-f]{16}\Z")
REQUEST, USAGE = "gen_ai.request.", "gen_ai.usage."
SEGMENTS = {
    "service.name": ("service.name",),
    "deployment.environment.name": ("deployment.environment.name", "deployment.environment"),
}


def has_ids(span: PlainSpan) -> bool:
    """Whether its ids are ones."""
    return bool(TRACE_ID.match(span.trace_id) and SPAN_ID.match(span.span_id))


def operation_of(span: PlainSpan) -> str | None:
    """The operation by which a model answered; None for a span that is no inference."""
    told = span.attributes
    named = told.get("gen_ai.operation.name")
    if named is None:
        named = OLDER_OPERATIONS.get(str(told.get("llm.request.type")))
    if named is None and _first(told, "gen_ai.provider.name", "gen_ai.system") and _model(told):
        return "chat"  # before 1.27 no span named its operation
    return named if isinstance(named, str) and named in OPERATIONS else None


def inference_of(span: PlainSpan, operation: str) -> dict[str, Any]:
    """The span as an inference record, ready for the door, which judges it.

    Its `inference_request_id` is `gen_ai.response.id`, the id by which the application knows the answer; without one it
    is `<trace id>-<span id>`, the middle of the traceparent. The model is (requested name, answering version).
    """
    told = span.attributes
    record = {
        "inference_request_id": told.get("gen_ai.response.id", f"{span.trace_id}-{span.span_id}"),
        "model_name": told.get("gen_ai.request.model"),
        "model_version": _model(told),
        "occurred_at": _time(span.start_ns),
        "inputs": inputs_of(span) or None,
        "outputs": outputs_of(span),
        "parameters": _parameters(told, operation),
        "segments": _segments(span.resource) or None,
        "latency_ms": (span.end_ns - span.start_ns) / 1e6 if span.end_ns >= span.start_ns > 0 else None,
        "traceparent": f"00-{span.trace_id}-{span.span_id}-01",
    }
    return {name: value for name, value in record.items() if value is not None}


def _first(told: dict[str, Any], *names: str) -> Any:
    return next((told[name] for name in names if name in told), None)


def _model(told: dict[str, Any]) -> Any:
    return _first(told, "gen_ai.response.model", "gen_ai.request.model")


def _time(nanoseconds: int) -> str | None:
    """RFC 3339 with all nine digits; None where the span names no time, and no time where it names none there is."""
    if nanoseconds == 0:
        return None
    seconds, rest = divmod(nanoseconds, 10**9)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
    except (OverflowError, ValueError, OSError):
        return str(nanoseconds)


def _parameters(told: dict[str, Any], operation: str) -> dict[str, Any]:
    """How the model was called: operation, provider, the request's settings by their own names, and tokens used."""
    usage = {name.removeprefix(USAGE): value for name, value in told.items() if name.startswith(USAGE)}
    for older, name in OLDER_USAGE.items():
        if older in usage:
            usage.setdefault(name, usage.pop(older))
    found = {
        "operation": operation,
        "provider": _first(told, "gen_ai.provider.name", "gen_ai.system"),
        "conversation_id": told.get("gen_ai.conversation.id"),
        "output_type": told.get("gen_ai.output.type"),
        "usage": usage or None,
    }
    asked = {name.removeprefix(REQUEST): value for name, value in told.items() if name.startswith(REQUEST)}
    asked.pop("model", None)
    return asked | {name: value for name, value in found.items() if value is not None}


def _segments(resource: dict[str, Any]) -> dict[str, str]:
    found = {name: _first(resource, *older) for name, older in SEGMENTS.items()}
    return {name: value for name, value in found.items() if isinstance(value, str) and value}
