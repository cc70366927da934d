"""The ingest operations as OpenAPI, derived from the same shapes the door validates with."""

from typing import Any

import msgspec

from feedback_ingest.envelopes import Feedback, Inference
from feedback_ingest.feedback_types import collect
from feedback_ingest.schema_versions import portable

REF = "#/components/schemas/{name}"


def component_schemas() -> dict[str, Any]:
    """JSON Schemas of the envelopes and of every feedback type's value."""
    types = collect()
    shapes: list[Any] = [Feedback, Inference, *types.values()]
    _, components = msgspec.json.schema_components(shapes, ref_template=REF)
    pairs = [
        {"properties": {"feedback_type": {"const": name}, "feedback_value": {"$ref": REF.format(name=shape.__name__)}}}
        for name, shape in types.items()
    ]
    components = portable(components)
    components["Feedback"]["anyOf"] = pairs
    components["Feedback"]["properties"]["feedback_type"] = {"enum": list(types)}
    components["FeedbackBatch"] = _batch("Feedback")
    components["InferenceBatch"] = _batch("Inference")
    components["Problem"] = PROBLEM
    components["Receipt"] = RECEIPT
    components["BatchAnswer"] = BATCH_ANSWER
    return components


def _batch(name: str) -> dict[str, Any]:
    items = {"type": "array", "items": {"$ref": REF.format(name=name)}, "minItems": 1, "maxItems": 1_000}
    return {"type": "object", "required": ["events"], "additionalProperties": False, "properties": {"events": items}}


def operation(shape: str, batch: bool) -> dict[str, Any]:
    """`openapi_extra` of an ingest route."""
    schema = {"$ref": REF.format(name=shape)}
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if batch:
        content["application/x-ndjson"] = {"schema": {"type": "string", "description": "One event a line."}}
    answers = {201: "BatchAnswer", 207: "BatchAnswer"} if batch else {201: "Receipt", 200: "Receipt"}
    refusals = (400, 401, 403, 408, 409, 413, 415, 422, 429, 503)
    return {
        "requestBody": {"required": True, "content": content},
        "security": [{"key": ["ingest"] if shape.startswith("Inference") else ["ingest", "ingest:public"]}],
        "responses": {
            **{str(code): _answer(MEANING[code], name, "application/json") for code, name in answers.items()},
            **{str(code): _answer(MEANING[code], "Problem", "application/problem+json") for code in refusals},
        },
    }


def answers(*codes: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of an ordinary route: the problems it may answer."""
    return {code: _answer(MEANING[code], "Problem", "application/problem+json") for code in codes}


def event_body() -> dict[str, Any]:
    """`openapi_extra` of a route that reads one feedback event and stores nothing."""
    content = {"application/json": {"schema": {"$ref": REF.format(name="Feedback")}}}
    security = [{"key": ["ingest", "ingest:public"]}]
    return {"requestBody": {"required": True, "content": content}, "security": security}


def complete(document: dict[str, Any]) -> None:
    """Adds to each operation the problems that its key, its address and its body may end in."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(component_schemas())
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            codes = [401, 403, 503] if operation.get("security") else []
            codes += [404] if "{" in path else []
            codes += [400, 408, 409, 413, 415, 422] if "requestBody" in operation else []
            codes += [422] if operation.get("parameters") else []
            told = operation["responses"]
            told.pop("422" if "HTTPValidationError" in str(told.get("422")) else "", None)
            for code in codes:
                told.setdefault(str(code), _answer(MEANING[code], "Problem", "application/problem+json"))


def _answer(description: str, name: str, media: str) -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": {"$ref": REF.format(name=name)}}}}


_NUMBER: dict[str, Any] = {"type": ["number", "null"]}
_TIME: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_WINDOW: dict[str, Any] = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("start", "end"), _TIME),
        **dict.fromkeys(("value", "low", "high"), _NUMBER),
        **dict.fromkeys(("numerator", "denominator"), {"type": "number"}),
        "samples": {"type": "integer"},
    },
}
_SERIES: dict[str, Any] = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("model_version", "metric", "segment", "session_id"), {"type": "string"}),
        "windows": {"type": "array", "items": _WINDOW},
    },
}
AGGREGATES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Series of windows, and the offset up to which they speak of the log.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["model_name", "window", "from", "to", "offset", "metrics", "series"],
                    "properties": {
                        "model_name": {"type": "string"},
                        "window": {"enum": ["tumbling", "sliding", "session"]},
                        "from": _TIME,
                        "to": _TIME,
                        "offset": {"type": "integer", "minimum": 0},
                        "metrics": {"type": "object", "additionalProperties": {"type": "object"}},
                        "series": {"type": "array", "items": _SERIES},
                        "ranking": {"type": "array", "items": {"type": "object"}},
                    },
                }
            }
        },
    }
}
LOG_PAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events in order of offsets, and where to read on.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["events", "next_offset", "head"],
                    "properties": {
                        "events": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["offset", "kind", "id", "received_at", "occurred_at", "body"],
                                "properties": {
                                    "offset": {"type": "integer", "minimum": 1},
                                    "kind": {"type": "string"},
                                    "id": {"type": "string"},
                                    "received_at": {"type": "string", "format": "date-time"},
                                    "occurred_at": {"type": "string", "format": "date-time"},
                                    "body": {"type": "object"},
                                },
                            },
                        },
                        "next_offset": {"type": "integer", "minimum": 1},
                        "head": {"type": "integer", "minimum": 0},
                    },
                }
            }
        },
    }
}
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "As the ETag the client sent says."}}
NEW: dict[int | str, dict[str, Any]] = {201: {"description": "It is new."}}
CHANGED: dict[int | str, dict[str, Any]] = {200: {"description": "It was there and is changed."}}
MEANING = {
    200: "Known already: the same id with the same content.",
    201: "Stored, durably.",
    207: "Some items were refused or in conflict; each has its own answer.",
    400: "Not JSON, or nested too deep.",
    401: "No valid key.",
    403: "The key may not do this.",
    404: "There is no such thing.",
    405: "Not in this way, or without a parameter.",
    408: "The body came too slowly.",
    409: "The id is taken by other content.",
    413: "Too large.",
    415: "Another media type or coding than the contract's.",
    422: "The event does not fit the contract.",
    429: "The key's quota is used up.",
    503: "Not stored, or not known to be; send it again.",
}
RECEIPT = {
    "type": "object",
    "required": ["offset", "received_at", "status"],
    "properties": {
        "feedback_id": {"type": "string", "format": "uuid"},
        "inference_request_id": {"type": "string"},
        "offset": {"type": "integer", "minimum": 1},
        "received_at": {"type": "string", "format": "date-time"},
        "status": {"enum": ["accepted", "duplicate"]},
        "attribution": {"enum": ["pending"]},
    },
}
BATCH_ANSWER = {
    "type": "object",
    "required": ["counts", "results"],
    "properties": {
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "results": {"type": "array", "items": {"type": "object"}},
    },
}
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "request_id", "retryable", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "retryable": {"type": "boolean"},
        "errors": {
            "type": "array",
            "maxItems": 20,
            "items": {
                "type": "object",
                "required": ["pointer", "code"],
                "properties": {"pointer": {"type": "string"}, "code": {"type": "string"}},
            },
        },
    },
}
