"""OpenTelemetry spans of model calls as inferences: the official exporter, both generations of names, odd requests."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlmodel import Session, select

from feedback_ingest.postgres import Database
from feedback_ingest.tables import FeedbackEvent, QuarantinedItem
from tests.api.conftest import Client

MakeKey = Callable[..., str]
PATH = "/v1/otlp/v1/traces"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
START = 1_790_000_000_123_456_789


def value(of: Any) -> dict[str, Any]:
    """A value as OTLP writes it."""
    if isinstance(of, bool):
        return {"boolValue": of}
    if isinstance(of, int):
        return {"intValue": str(of)}
    if isinstance(of, float):
        return {"doubleValue": of}
    if isinstance(of, list):
        return {"arrayValue": {"values": [value(each) for each in of]}}
    if isinstance(of, dict):
        return {"kvlistValue": {"values": attributes(of)}}
    return {"stringValue": of}


def attributes(of: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes as OTLP writes them."""
    return [{"key": name, "value": value(each)} for name, each in of.items()]


def span(told: dict[str, Any], span_id: str = SPAN, **more: Any) -> dict[str, Any]:
    """A span with these attributes; `events` are (name, attributes)."""
    events = [{"name": name, "attributes": attributes(of)} for name, of in more.pop("events", [])]
    times = {"startTimeUnixNano": str(START), "endTimeUnixNano": str(START + 1_500_000_000)}
    ids = {"traceId": TRACE.upper(), "spanId": span_id}
    return {**ids, "name": "chat", **times, "attributes": attributes(told), "events": events, **more}


def export(*spans: dict[str, Any]) -> dict[str, Any]:
    """A request with these spans of one service."""
    resource = {"attributes": attributes({"service.name": "shop", "deployment.environment.name": "prod"})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "x"}, "spans": list(spans)}]}]}


CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.max_tokens": 200,
    "gen_ai.response.model": "gpt-4-0613",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 52,
}
ASKED = [{"role": "user", "parts": [{"type": "text", "content": "Tell me a joke"}]}]
ANSWERED = [{"role": "assistant", "parts": [{"type": "text", "content": "Why did"}], "finish_reason": "stop"}]


@pytest.fixture(scope="module")
def key(make_key: MakeKey) -> str:
    """A key that may send."""
    return make_key("ingest", "read")


def stored(database: Database, name: str) -> dict[str, Any]:
    """The inference record of that name."""
    wanted = select(FeedbackEvent.body).where(FeedbackEvent.kind == "inference", FeedbackEvent.id == name)
    with Session(database.engine) as session:
        record: dict[str, Any] = json.loads(session.exec(wanted).one())
    return record


def test_the_official_exporter_logs_an_inference_that_feedback_finds(
    served: str, make_key: MakeKey, database: Database
) -> None:
    """OpenTelemetry's own SDK and JSON exporter, with gzip: the span is an inference by the response's id."""
    otlp = pytest.importorskip("opentelemetry.exporter.otlp.json.http")
    common = pytest.importorskip("opentelemetry.exporter.otlp.common.http")
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    exporting = pytest.importorskip("opentelemetry.sdk.trace.export")
    headers = {"Authorization": f"Bearer {make_key('ingest', 'read')}"}
    sender = otlp.OTLPSpanExporter(f"{served}{PATH}", headers=headers, compression=common.Compression.GZIP)
    provider = sdk.TracerProvider()
    results = []

    class Watched(exporting.SimpleSpanProcessor):  # type: ignore[misc]
        def on_end(self, ended: Any) -> None:
            results.append(sender.export([ended]))

    provider.add_span_processor(Watched(sender))
    with provider.get_tracer("shop").start_as_current_span("chat gpt-4") as opened:
        opened.set_attributes({**CHAT, "gen_ai.response.id": "chatcmpl-sdk"})
        opened.set_attribute("gen_ai.input.messages", ASKED)
        opened.set_attribute("gen_ai.output.messages", json.dumps(ANSWERED))
    context = opened.get_span_context()
    feedback = {
        "inference_request_id": "chatcmpl-sdk",
        "model_version": "gpt-4-0613",
        "feedback_type": "explicit_binary",
        "feedback_value": {"positive": True},
    }
    dry = httpx.post(f"{served}/v1/feedback/validate", json=feedback, headers=headers, trust_env=False).json()
    provider.shutdown()

    assert results == [exporting.SpanExportResult.SUCCESS]
    record = stored(database, "chatcmpl-sdk")
    assert record["traceparent"] == f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
    assert record["inputs"] == {"messages": ASKED}
    assert record["outputs"] == [
        {"output_id": "0", "content": {"text": "Why did", "role": "assistant", "finish_reason": "stop"}}
    ]
    assert dry["goes_to"]["attribution"]["state"] == "attributed"


def test_a_span_is_read_whole(client: Client, key: str, database: Database) -> None:
    """Ids, model, time, latency, parameters and segments; without a response id the span's own ids name it."""
    response = client.post(PATH, key, export(span(CHAT)))

    assert (response.status_code, response.json()) == (200, {})
    assert stored(database, f"{TRACE}-{SPAN}") == {
        "inference_request_id": f"{TRACE}-{SPAN}",
        "model_name": "gpt-4",
        "model_version": "gpt-4-0613",
        "occurred_at": "2026-09-21T14:13:20.123456789Z",
        "outputs": [{"output_id": "0", "content": {"finish_reason": "stop"}}],
        "parameters": {
            "operation": "chat", "provider": "openai", "temperature": 0.5, "max_tokens": 200,
            "usage": {"input_tokens": 52},
        },
        "segments": {"service.name": "shop", "deployment.environment.name": "prod"},
        "latency_ms": 1500,
        "traceparent": f"00-{TRACE}-{SPAN}-01",
    }  # fmt: skip


OLDER = {"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4", "gen_ai.usage.prompt_tokens": 5}
PROMPT = '[{"role": "user", "content": "Hi"}]'
EVENTS = [("gen_ai.user.message", {"content": "Hi"}), ("gen_ai.choice", {"index": 0, "message": '{"content": "Ho"}'})]


@pytest.mark.parametrize(
    ("told", "events"),
    [
        ({"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Hi", "gen_ai.completion.0.content": "Ho",
          "llm.request.type": "chat"}, []),
        ({}, EVENTS),
        ({}, [("gen_ai.content.prompt", {"gen_ai.prompt": PROMPT}),
              ("gen_ai.content.completion", {"gen_ai.completion": '[{"content": "Ho"}]'})]),
        ({"gen_ai.operation.name": "chat"},
         [("gen_ai.client.inference.operation.details",
           {"gen_ai.input.messages": PROMPT, "gen_ai.output.messages": [{"content": "Ho"}]})]),
    ],
    ids=["openllmetry", "events a message", "events of content", "event of details"],
)  # fmt: skip
def test_older_spans_say_the_same(
    client: Client, key: str, database: Database, told: dict[str, Any], events: Any, request: Any
) -> None:
    """Wherever an older instrumentation put prompt, answer and tokens, the record is one."""
    name = f"old-{request.node.callspec.id}"
    response = client.post(PATH, key, export(span({**OLDER, **told, "gen_ai.response.id": name}, events=events)))

    assert response.json() == {}
    record = stored(database, name)
    assert record["inputs"] == {"messages": [{"role": "user", "content": "Hi"}]}
    assert record["outputs"] == [{"output_id": "0", "content": {"text": "Ho"}}]
    assert record["model_version"] == "gpt-4"
    assert record["parameters"]["usage"] == {"input_tokens": 5}


def test_the_same_span_is_known_and_another_under_its_name_rejected(
    client: Client, key: str, database: Database
) -> None:
    """Sending a batch again stores nothing; a span that contradicts, and one that fits no contract, are told apart."""
    first = span({**CHAT, "gen_ai.response.id": "again"})
    other = span({**CHAT, "gen_ai.response.id": "again", "gen_ai.usage.input_tokens": 53}, "00f067aa0ba902b8")
    bad = span({"gen_ai.operation.name": "chat", "gen_ai.response.id": "no-model", "secret": "do-not-repeat"})
    tool = span({"gen_ai.operation.name": "execute_tool"})
    plain = span({"http.request.method": "GET"})
    headless = span(CHAT, "0" * 16)

    responses = [client.post(PATH, key, export(plain, first, tool, other, bad, headless)) for _ in range(2)]

    for response in responses:
        assert response.status_code == 200
        [told] = response.json().values()
        assert told == {
            "rejectedSpans": "3",
            "errorMessage": "span 3: inference-id-conflict; span 4: validation-failed /model_version required; "
            "span 5: traceId or spanId is none",
        }
    assert stored(database, "again")["parameters"]["usage"] == {"input_tokens": 52}
    wanted = select(QuarantinedItem.code).where(QuarantinedItem.kind == "inference")
    with Session(database.engine) as session:
        assert set(session.exec(wanted)) == {"validation-failed"}
    assert 'feedback_events_total{kind="span",outcome="ignored"}' in client.get("/metrics").text


def nested(depth: int) -> dict[str, Any]:
    """A span with a value of that depth."""
    inner: Any = "x"
    for _ in range(depth):
        inner = [inner]
    return span({**CHAT, "gen_ai.input.messages": inner})


def test_a_request_that_is_none_is_refused_whole(client: Client, key: str, make_key: MakeKey) -> None:
    """No JSON, names twice, no trace export, another media type, too deep, no key, a key without the scope."""
    good = json.dumps(export(span(CHAT))).encode()
    bomb = gzip.compress(b'{"resourceSpans": [' + b" " * 5_000_000 + b"]}")
    coded = {"Content-Encoding": "gzip"}
    cases = [
        (client.post(PATH, key, good[:-1]), 400, "malformed-json"),
        (client.post(PATH, key, good.replace(b'{"resourceSpans"', b'{"resourceSpans": [], "resourceSpans"')), 400,
         "malformed-json"),
        (client.post(PATH, key, {"resourceSpans": {}}), 400, "malformed-json"),
        (client.post(PATH, key, []), 400, "malformed-json"),
        (client.post(PATH, key, export(nested(300))), 400, "too-deep"),
        (client.post(PATH, key, good, **{"Content-Type": "application/x-protobuf"}), 415, "unsupported-media-type"),
        (client.post(PATH, key, bomb, **coded), 413, "payload-too-large"),
        (client.post(PATH, key, good, **coded), 400, "malformed-content-encoding"),
        (client.post(PATH, key, export(*[span(CHAT)] * 1_001)), 413, "batch-too-large"),
        (client.post(PATH, "nobody", good), 401, "unauthenticated"),
        (client.post(PATH, make_key("ingest:public"), good), 403, "forbidden"),
    ]  # fmt: skip

    for response, status, code in cases:
        assert (response.status_code, response.json()["code"]) == (status, code)
    assert client.post(PATH, key, {}).json() == {}, "a request without spans is one"


ODD: list[dict[str, Any]] = [
    {"gen_ai.operation.name": ["chat"]},
    {**CHAT, "gen_ai.response.id": 7},
    {**CHAT, "gen_ai.request.model": {"a": 1}},
    {**CHAT, "gen_ai.response.finish_reasons": "stop"},
    {**CHAT, "gen_ai.output.messages": {"content": "x", "parts": 5}},
    {**CHAT, "gen_ai.output.messages": [1, None, "x", {"parts": "no"}, {"parts": [1]}]},
    {**CHAT, "gen_ai.output.messages": "[1"},
    {**CHAT, "gen_ai.input.messages": "[" * 500 + "]" * 500},
    {**CHAT, "gen_ai.prompt.0.x": 1, "gen_ai.usage.": 1},
    {**CHAT, "gen_ai.input.messages": "nul \0 character"},
]
VALUES: list[dict[str, Any]] = [
    {}, {"doubleValue": "NaN"}, {"intValue": "9223372036854775808"}, {"intValue": "1e3"}, {"bytesValue": "AAE="},
]  # fmt: skip


@pytest.mark.parametrize("told", ODD)
def test_odd_attributes_end_in_an_answer(client: Client, key: str, told: dict[str, Any]) -> None:
    """Whatever stands in an attribute, the span is stored, ignored or rejected, never an error of ours."""
    odd = span(told, startTimeUnixNano=str(2**63 - 1))

    assert client.post(PATH, key, export(odd)).status_code == 200


@pytest.mark.parametrize("odd", VALUES)
def test_a_value_that_json_cannot_hold_is_left_out(
    client: Client, key: str, database: Database, odd: dict[str, Any], request: Any
) -> None:
    """No member, NaN, no 64-bit number: the attribute is missing, the span is not. Bytes stay the text they are."""
    name = f"value-{request.node.callspec.id}"
    one = span({**CHAT, "gen_ai.response.id": name})
    one["attributes"].append({"key": "gen_ai.request.seed", "value": odd})

    assert client.post(PATH, key, export(one)).json() == {}
    assert stored(database, name)["parameters"].get("seed") == odd.get("bytesValue")
