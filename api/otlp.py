"""The door for OpenTelemetry: an OTLP/HTTP trace export in JSON, whose GenAI spans become inference records."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import APIRouter, Response

from api import openapi
from api.receiver import Thin
from api.receiver.bodies import JSON_TYPE, Receive, media_type
from api.receiver.door import Door
from api.receiver.options import query
from api.receiver.problems import JSON, Answer
from feedback_ingest.errors import BatchTooLarge, TooDeep
from feedback_ingest.intake import INFERENCE, Verdict
from feedback_ingest.otlp.inferences import has_ids, inference_of, operation_of
from feedback_ingest.otlp.protocol import spans_of

router = APIRouter(tags=["ingest"])
TOLD = 5
"""Rejected spans that the answer says more of than their number."""


@dataclass(slots=True)
class Export:
    """A request taken apart: its inferences by their place among the spans, and what is told of the others."""

    records: list[tuple[int, bytes]] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)
    ignored: int = 0

    @classmethod
    def read(cls, raw: bytes) -> "Export":
        """Raises MalformedJson or TooDeep."""
        export = cls()
        for place, span in enumerate(spans_of(raw)):
            operation = operation_of(span)
            if operation is None:
                export.ignored += 1
            elif not has_ids(span):
                export.rejected.append((place, "traceId or spanId is none"))
            else:
                export._add(place, inference_of(span, operation))
        return export

    def _add(self, place: int, record: dict[str, Any]) -> None:
        try:
            self.records.append((place, orjson.dumps(record)))
        except orjson.JSONEncodeError:  # JSON text within an attribute, nested beyond the writer's limit
            self.rejected.append((place, TooDeep.code))

    def answer(self, verdicts: Sequence[Verdict]) -> dict[str, Any]:
        """The ExportTraceServiceResponse: empty, or how many spans were rejected and why the first of them."""
        for (place, _), verdict in zip(self.records, verdicts, strict=True):
            if verdict.error is not None:
                where = [f"{fault.pointer} {fault.code}" for fault in verdict.error.faults[:3]]
                self.rejected.append((place, " ".join([verdict.error.code, *where])))
        if not self.rejected:
            return {}
        first = "; ".join(f"span {place}: {why}" for place, why in sorted(self.rejected)[:TOLD])
        # ProtoJSON writes 64-bit numbers as text.
        return {"partialSuccess": {"rejectedSpans": str(len(self.rejected)), "errorMessage": first}}


async def take_traces(door: Door, scope: dict[str, Any], receive: Receive) -> Answer:
    """200 with what was rejected, once what was not is stored; the same span again is known and nothing new."""
    sender = await door.enter(INFERENCE, scope)
    media_type(scope, JSON_TYPE)
    query(scope)
    export = Export.read(await door.body(scope, receive))
    if len(export.records) > door.settings.max_batch_events:
        raise BatchTooLarge()
    records = [record for _, record in export.records]
    verdicts = await door.take(scope, INFERENCE, records, sender, None) if records else []
    if export.ignored:
        door.intake.count("span", "ignored", export.ignored)
    return 200, JSON, orjson.dumps(export.answer(verdicts))


ANSWER = {
    "type": "object",
    "properties": {
        "partialSuccess": {
            "type": "object",
            "properties": {"rejectedSpans": {"type": "string"}, "errorMessage": {"type": "string"}},
        }
    },
}
BODY = {
    "type": "object",
    "description": "ExportTraceServiceRequest of opentelemetry-proto in JSON.",
    "properties": {"resourceSpans": {"type": "array", "items": {"type": "object"}}},
}


@router.post(
    "/v1/otlp/v1/traces",
    summary="Log inferences as OpenTelemetry spans (OTLP/HTTP in JSON)",
    response_class=Response,
    openapi_extra={
        "requestBody": {"required": True, "content": {JSON_TYPE: {"schema": BODY}}},
        "security": [{"key": ["ingest"]}],
        "responses": {"200": {"description": "Stored, save what is told.", "content": {JSON_TYPE: {"schema": ANSWER}}}},
    },
    responses=openapi.answers(400, 401, 403, 408, 413, 415, 422, 429, 503),
)
def traces() -> Response:
    """GenAI spans become inferences, named by `gen_ai.response.id` or `<trace id>-<span id>`; others are ignored."""
    return Thin(take_traces)
