"""The receive use case: what becomes of an event, decided without a socket or a database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from feedback_ingest.canonical import Pepper, canonical_json
from feedback_ingest.clock import new_id
from feedback_ingest.errors import Forbidden, Refused, ValidationFailed
from feedback_ingest.feedback_types import collect
from feedback_ingest.log import Item
from feedback_ingest.receive import Receiver, Sender

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SERVER_KEY = Sender("k1", 1, frozenset({"ingest"}))
BROWSER_KEY = Sender("k2", 1, frozenset({"ingest:public"}))


def event(**fields: Any) -> dict[str, Any]:
    """The README's five fields, changed."""
    base = {
        "inference_request_id": "r-1",
        "model_version": "m-1",
        "feedback_type": "explicit_binary",
        "feedback_value": {"positive": True},
        "user_context": {"user_id": "jane@example.com", "session_id": "s-1"},
    }
    return {name: value for name, value in (base | fields).items() if value is not ...}


def receive(given: dict[str, Any], sender: Sender = SERVER_KEY) -> Item:
    """The event through the use case."""
    return Receiver(collect(), Pepper(b"pepper"), new_id).feedback(orjson.dumps(given), sender, NOW)


def faults(given: dict[str, Any]) -> set[tuple[str, str]]:
    """What is wrong with the event."""
    with pytest.raises(ValidationFailed) as refused:
        receive(given)
    return {(fault.pointer, fault.code) for fault in refused.value.faults}


def test_takes_the_five_fields() -> None:
    """The server names the event and takes the receipt as its time."""
    fact = receive(event())

    assert fact.occurred_at == NOW
    assert orjson.loads(fact.body)["feedback_value"] == {"positive": True}
    assert len(fact.id) == 36


def test_knows_nobody_after_the_door() -> None:
    """A user id is replaced by a stable pseudonym; the person's name is nowhere in the fact."""
    one, again = receive(event()), receive(event())

    assert orjson.loads(one.body)["user_context"]["user_id"].startswith("p_")
    assert (one.body, one.fingerprint) == (again.body, again.fingerprint)
    assert "jane" not in one.body


def test_content_is_equal_however_it_is_spelled() -> None:
    """Key order and integral floats are not content."""
    one = canonical_json({"b": 5.0, "a": [1, {"z": -0.0}]})
    two = canonical_json({"a": [1.0, {"z": 0}], "b": 5})

    assert one == two


@pytest.mark.parametrize(
    ("change", "at", "code"),
    [
        ({"feedback_value": {"positive": 1}}, "/feedback_value/positive", "wrong-type"),
        ({"feedback_value": {}}, "/feedback_value/positive", "required"),
        ({"feedback_type": "love"}, "/feedback_type", "not-allowed"),
        ({"model_version": ...}, "/model_version", "required"),
        ({"model_version": "a\nb"}, "/model_version", "not-visible"),
        ({"offset": 3}, "/offset", "server-owned"),
        ({"feedback_vlaue": 1}, "/feedback_vlaue", "unknown-field"),
        ({"feedback_id": "x"}, "/feedback_id", "not-a-uuid"),
        ({"occurred_at": "yesterday"}, "/occurred_at", "not-rfc3339"),
        ({"occurred_at": (NOW + timedelta(hours=25)).isoformat()}, "/occurred_at", "too-far-in-future"),
        ({"occurred_at": (NOW - timedelta(days=401)).isoformat()}, "/occurred_at", "too-old"),
        ({"user_context": {"consent": {"training": "yes"}}}, "/user_context/consent/training", "wrong-type"),
        ({"confidence": 2}, "/confidence", "out-of-range"),
        ({"source": {"kind": "martian"}}, "/source/kind", "not-allowed"),
        ({"metadata": {"a": "x" * 9000}}, "/metadata", "too-long"),
    ],
)
def test_names_the_field_and_the_remedy(change: dict[str, Any], at: str, code: str) -> None:
    """Every refusal says where and what, never the value."""
    assert faults(event(**change)) == {(at, code)}


def test_names_every_fault_at_once() -> None:
    """A client mends its event in one round."""
    assert faults(event(model_version=..., confidence=7, extra=1)) == {
        ("/model_version", "required"),
        ("/confidence", "out-of-range"),
        ("/extra", "unknown-field"),
    }


@pytest.mark.parametrize("kind", ["reviewer", "system"])
def test_a_browser_speaks_for_its_user_only(kind: str) -> None:
    """What a public key says about its source is capped."""
    with pytest.raises(Forbidden):
        receive(event(source={"kind": kind}), BROWSER_KEY)


def test_only_the_gateway_writes_verdicts() -> None:
    """A review label from an ordinary key would be golden data by anybody."""
    verdict = {"label": 1, "task_id": "t", "annotators": ["a"], "method": "majority"}

    with pytest.raises(Forbidden):
        receive(event(feedback_type="review_label", feedback_value=verdict))


def test_history_needs_the_backfill_scope() -> None:
    """Old events are refused, save from a key that may backfill."""
    old = event(occurred_at=(NOW - timedelta(days=800)).isoformat())

    assert receive(old, Sender("k", 1, frozenset({"ingest", "backfill"}))).occurred_at < NOW - timedelta(days=799)


@pytest.mark.parametrize("count", [0, 1_001])
def test_an_inference_has_outputs(count: int) -> None:
    """An answer without an output, or with more than a thousand, is no answer."""
    record = {
        "inference_request_id": "r",
        "model_version": "m",
        "outputs": [{"output_id": str(i), "content": i} for i in range(count)],
    }
    receiver = Receiver(collect(), Pepper(b"pepper"), new_id)

    with pytest.raises(Refused):
        receiver.inference(orjson.dumps(record), SERVER_KEY, NOW)


def test_only_free_parts_are_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the shapes leave unbounded is exactly what the walk looks at: no field is looked at by neither."""
    from msgspec import inspect

    from feedback_ingest.bounds import bounds_all
    from feedback_ingest.envelopes import Feedback
    from feedback_ingest.receive import FREE_FIELDS

    fields = inspect.type_info(Feedback).fields  # type: ignore[attr-defined]

    unbounded = {field.name for field in fields if not bounds_all(field.type)}

    assert unbounded == {*FREE_FIELDS, "feedback_value"}


@pytest.mark.parametrize(
    ("name", "value"), [("user_context", {"a": [1e300]}), ("metadata", {"": 1}), ("tags", {"k" * 257: "v"})]
)
def test_free_parts_hold_only_what_can_be_stored(name: str, value: dict[str, Any]) -> None:
    """Numbers beyond 2^53, empty and overlong names are refused in any free part."""
    assert {pointer.split("/")[1] for pointer, _ in faults(event(**{name: value}))} == {name}
