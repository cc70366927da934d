"""What is put on the wire: completed once, and the same however often it is sent."""

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any

import pytest
from feedback_client import InvalidEvent, build, new_id
from feedback_client._wire import FEEDBACK, feedback_item, inference_item

LIMIT = 10_000
ABOUT: dict[str, Any] = {"inference_request_id": "req-1", "model_version": "7"}
EVENT: dict[str, Any] = {**ABOUT, "feedback_type": "explicit_rating", "feedback_value": {"score": 4}}

SAID: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "text correction": (build.correction("r", corrected_text="9"), "explicit_correction", {"corrected_text": "9"}),
    "false label": (build.correction("r", corrected_label=False), "explicit_correction", {"corrected_label": False}),
    "labels": (build.correction("r", corrected_labels=["a"]), "explicit_correction", {"corrected_labels": ["a"]}),
    "output": (build.correction("r", corrected_output={"x": 1}), "explicit_correction", {"corrected_output": {"x": 1}}),
    "rating": (build.rating("r", 0, scale_min=0), "explicit_rating", {"score": 0, "scale_min": 0}),
    "thumb": (build.thumb("r", False, comment="no"), "explicit_binary", {"positive": False, "comment": "no"}),
    "label": (build.label("r", 3), "explicit_label", {"label": 3}),
    "comment": (build.comment("r", "why"), "explicit_comment", {"text": "why"}),
    "ranking": (build.ranking("r", ["B", ["A", "C"]]), "explicit_ranking", {"ranking": ["B", ["A", "C"]]}),
    "preference": (build.preference("r", "A"), "preference_pair", {"preferred_output_id": "A"}),
    "tie": (
        build.preference("r", "A", "B", tie=True),
        "preference_pair",
        {"preferred_output_id": "A", "rejected_output_id": "B", "tie": True},
    ),
    "click": (build.click("r", "d", position=0), "implicit_click", {"item_id": "d", "position": 0}),
    "exposure": (
        build.exposure("r", [{"item_id": "d", "position": 0}]),
        "exposure",
        {"items": [{"item_id": "d", "position": 0}]},
    ),
    "signal": (build.signal("r", "copy", True), "implicit_signal", {"signal": "copy", "value": True}),
    "truth": (build.ground_truth("r", "UP"), "ground_truth", {"label": "UP"}),
    "reward": (build.reward("r", -0.5, terminal=True), "reward", {"reward": -0.5, "terminal": True}),
    "safety": (build.safety_flag("r", "spam", 1), "safety_flag", {"category": "spam", "severity": 1}),
    "retraction": (build.retract("r", "id-1", reason="slip"), "retraction", {"retracts": "id-1", "reason": "slip"}),
}


@pytest.mark.parametrize("way", SAID)
def test_each_method_says_its_type_and_value(way: str) -> None:
    """A method writes the fields that were given and no null for the others; false and 0 are given."""
    event, feedback_type, value = SAID[way]

    assert event == {"inference_request_id": "r", "feedback_type": feedback_type, "feedback_value": value}


def test_the_envelope_is_carried() -> None:
    """Keywords stand beside the value; `user_id` and `session_id` go into the user's context."""
    event = build.thumb("r", True, user_id="u", session_id="s", user_context={"locale": "de"}, tags={"a": "b"})

    assert event["user_context"] == {"locale": "de", "user_id": "u", "session_id": "s"}
    assert event["tags"] == {"a": "b"}
    assert "user_id" not in event


def test_an_event_gets_an_id_of_its_time() -> None:
    """The id is a UUID version 7 of now, the event's time is the id's, and ids differ and sort by time."""
    before = datetime.now(UTC) - timedelta(milliseconds=1)

    feedback_id, item = feedback_item(EVENT, {}, LIMIT)
    event = item.event()

    assert uuid.UUID(feedback_id).version == 7
    assert uuid.UUID(feedback_id).variant == uuid.RFC_4122
    assert event["feedback_id"] == feedback_id
    assert before <= datetime.fromisoformat(event["occurred_at"]) <= datetime.now(UTC)
    assert len({new_id() for _ in range(10_000)}) == 10_000
    assert "feedback_id" not in EVENT


def test_an_id_of_the_callers_makes_repeatable_content() -> None:
    """The same event built twice under one id is the same bytes, so the server calls it a duplicate."""
    seventh, fourth = new_id(), "0192f0c1-7c1e-4a50-8a3e-0d5f6a7b8c9d"

    for own in (seventh, fourth):
        first, second = (feedback_item({**EVENT, "feedback_id": own}, {}, LIMIT)[1] for _ in range(2))
        assert first == second

    assert "occurred_at" in feedback_item({**EVENT, "feedback_id": seventh}, {}, LIMIT)[1].event()
    assert "occurred_at" not in feedback_item({**EVENT, "feedback_id": fourth}, {}, LIMIT)[1].event()


def test_what_was_given_is_not_replaced() -> None:
    """A time, a model and a trace of the caller's own stand."""
    given = {**EVENT, "occurred_at": "2026-02-03T04:05:06Z", "model_name": "mine", "traceparent": "00-a-b-01"}

    event = feedback_item(given, {"model_name": "default", "model_version": "1"}, LIMIT)[1].event()

    assert event.items() >= given.items()


def test_an_inference_gets_an_id_where_it_has_none() -> None:
    """The id of a logged inference is returned, to give feedback about it."""
    request_id, item = inference_item(build.log_inference(answer="cat"), {"model_version": "7"}, LIMIT)

    assert item.event()["inference_request_id"] == request_id
    assert item.event().keys() == {"inference_request_id", "outputs", "model_version", "occurred_at"}


class Colour(Enum):
    """A label as an application may have it."""

    RED = "red"


class Scalar:
    """What NumPy's scalars look like from outside."""

    def tolist(self) -> int:
        """The plain number."""
        return 7


def test_the_usual_values_are_written_plain() -> None:
    """Times, UUIDs, enumerations and NumPy's numbers need no conversion by the caller."""
    name = uuid.uuid4()
    berlin = datetime(2026, 5, 6, 7, 8, 9, 120, timezone(timedelta(hours=2)))
    event = {**EVENT, "occurred_at": berlin, "metadata": {"a": Colour.RED, "b": Scalar(), "c": name, "d": (1, 2)}}

    written = feedback_item({**event, "feedback_id": name}, {}, LIMIT)[1].event()

    assert written["feedback_id"] == str(name)
    assert written["occurred_at"] == "2026-05-06T05:08:09.000120Z"
    assert written["metadata"] == {"a": "red", "b": 7, "c": str(name), "d": [1, 2]}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model_version": None}, "model_version must be given"),
        ({"feedback_value": None, "feedback_type": None}, "feedback_type, feedback_value must be given"),
        ({"metadata": {"x": float("nan")}}, "JSON"),
        ({"metadata": {"x": object()}}, "object has no form in JSON"),
        ({"metadata": {("a", "b"): 1}}, "JSON"),
        ({"rationale": "\ud800"}, "half a surrogate pair"),
        ({"occurred_at": datetime(2026, 1, 1)}, "needs its offset"),
        ({"rationale": "x" * LIMIT}, "more than max_event_bytes"),
    ],
)
def test_what_cannot_be_sent_is_said_at_once(change: dict[str, Any], why: str) -> None:
    """The caller hears of it, not the server; nothing half is queued."""
    with pytest.raises(InvalidEvent, match=why):
        feedback_item({**EVENT, **change}, {}, LIMIT)


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    """A structure too deep for JSON is an InvalidEvent."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(InvalidEvent):
        feedback_item({**EVENT, "metadata": {"x": deep}}, {}, LIMIT)


def test_the_message_of_a_bad_event_does_not_quote_it() -> None:
    """What a person said is not found in an exception's text."""
    with pytest.raises(InvalidEvent) as error:
        feedback_item({**EVENT, "rationale": "my secret \ud800"}, {}, LIMIT)

    assert "secret" not in str(error.value)


def test_text_is_utf_8_as_it_is() -> None:
    """No character is escaped that need not be: a batch of Japanese is not three times its size."""
    item = feedback_item({**EVENT, "rationale": "日本語"}, {}, LIMIT)[1]

    assert "日本語".encode() in item.body
    assert item.kind == FEEDBACK
    assert b": " not in item.body and json.loads(item.body)


def test_the_trace_of_the_callers_span_is_carried() -> None:
    """Inside an OpenTelemetry span an event carries its traceparent; outside, and under an own id, it carries none."""
    trace = pytest.importorskip("opentelemetry.trace")
    context = trace.SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=trace.TraceFlags(1))

    with trace.use_span(trace.NonRecordingSpan(context)):
        inside = feedback_item(EVENT, {}, LIMIT)[1].event()
        logged = inference_item({**ABOUT, "outputs": []}, {}, LIMIT)[1].event()
        own = feedback_item({**EVENT, "feedback_id": new_id()}, {}, LIMIT)[1].event()
    outside = feedback_item(EVENT, {}, LIMIT)[1].event()

    assert inside["traceparent"] == logged["traceparent"] == f"00-{0xABC:032x}-{0xDEF:016x}-01"
    assert "traceparent" not in own
    assert "traceparent" not in outside
