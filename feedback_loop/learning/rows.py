"""What a row of the log says, flat: the rows that both drivers, stream and assets, start from.

Whatever reads the JSON of an event is read here, once, so that no two readers can understand it differently. The
tables' schemas are FEEDBACK_SCHEMA and INFERENCE_SCHEMA of schemas.py.
"""

from collections.abc import Mapping
from math import exp, inf
from typing import Any

import msgspec
import orjson

from feedback_ingest.feedback_types import FeedbackValue, Preference, collect
from feedback_ingest.log import LogRow
from feedback_ingest.names import parse_time
from feedback_loop.learning.errors import UnreadableRow

WEIGHED = 3
"""So many features are told of those that an inference's logged attributions name."""

SEGMENT_NAMES = ("app", "app_version", "locale", "user_tier")
"""Members of user_context that are segments beside those in `segments`."""


def feedback_row(row: LogRow) -> dict[str, Any] | None:
    """The columns of FEEDBACK_SCHEMA for a fact of kind `feedback`, None for any other; raises UnreadableRow."""
    if row.kind != "feedback":
        return None
    body = row.body
    kind, given = _newest(body)
    value = _value(kind, given)
    context = body.get("user_context", {})
    label, reward, number = value.label(), value.reward(), value.number()
    return {
        "log_offset": row.log_offset,
        "project_id": row.project_id,
        "feedback_id": row.id,
        "inference_request_id": body["inference_request_id"],
        "model_name": body.get("model_name"),
        "model_version": body["model_version"],
        "feedback_type": body["feedback_type"],
        "metric": body.get("metric", value.metric),
        "source_kind": body.get("source", {}).get("kind", "end_user"),
        "user_ref": context.get("user_id"),
        "session_id": context.get("session_id"),
        "episode_id": body.get("episode_id"),
        "step": body.get("step"),
        "segments": _segments(context),
        "tags": json_text(body["tags"]) if body.get("tags") else None,
        "occurred_at": min(row.occurred_at, row.received_at),
        "received_at": row.received_at,
        "label": None if label is None else json_text(label),
        "text": value.text(),
        "reward": None if reward is None else round(reward, 6),
        "number": None if number is None else round(number, 6),
        **_compared(value.preference()),
        "target_feedback_id": value.target() or _lower(body.get("supersedes")),
        "is_retraction": body["feedback_type"] == "retraction",
        "clock_skew": _is_ahead(row),
        "training_consent": context.get("consent", {}).get("training", True),
        "pass_probability": float(body.get("pass_probability", 1.0)),
        "feedback_value": json_text(given),
    }


def inference_row(row: LogRow) -> dict[str, Any] | None:
    """The columns of INFERENCE_SCHEMA for a fact of kind `inference`, None for any other."""
    if row.kind != "inference":
        return None
    body = row.body
    outputs = body["outputs"]
    chosen = _chosen(outputs, body.get("chosen_output_id"))
    content = chosen.get("content")
    label = content.get("label") if isinstance(content, dict) else content
    text = content.get("text") if isinstance(content, dict) else content
    probabilities = _numbers(chosen.get("probabilities")) or _softmax(_numbers(chosen.get("logits")))
    inputs, inputs_ref = _asked(body)
    segments = body.get("segments")
    return {
        "log_offset": row.log_offset,
        "project_id": row.project_id,
        "inference_request_id": row.id,
        "model_name": body.get("model_name", "default"),
        "model_version": body["model_version"],
        "occurred_at": min(row.occurred_at, row.received_at),
        "received_at": row.received_at,
        "answer_label": json_text(label) if isinstance(label, str | int) else None,
        "answer_text": text if isinstance(text, str) else None,
        "output_ids": [output["output_id"] for output in outputs],
        "output_versions": [output.get("model_version", body["model_version"]) for output in outputs],
        "probabilities": probabilities,
        "confidence": _confidence(probabilities, chosen.get("score"), body.get("confidence")),
        "propensity": _number(chosen.get("propensity")),
        "segments": json_text(segments) if segments else None,
        "inputs": inputs,
        "inputs_ref": inputs_ref,
        "has_inputs": inputs is not None or inputs_ref is not None,
        "outputs": json_text(outputs),
        "action": _action(chosen),
        "embedding": body.get("embedding"),
        "attributed_to": _weighed_most(body.get("feature_attributions")),
    }


def answered_by(body: Mapping[str, Any], model_version: str) -> str | None:
    """What a version answered that was logged beside the one that was asked, as JSON text; None where it is no label.

    Its output names it as `model_version`, and is not the one that was chosen.
    """
    for output in body["outputs"]:
        if output.get("model_version") == model_version:
            content = output.get("content")
            label = content.get("label") if isinstance(content, dict) else content
            return json_text(label) if isinstance(label, str | int) else None
    return None


def propensity_of(body: Mapping[str, Any]) -> float | None:
    """The probability with which an inference's answer was chosen, where its client said so."""
    propensity: float | None = _chosen(body["outputs"], body.get("chosen_output_id")).get("propensity")
    return propensity


def json_text(value: Any) -> str:
    """Compact JSON with sorted names: equal values have equal text, and `3`, `"3"` and `true` differ."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _newest(body: Mapping[str, Any]) -> tuple[type[FeedbackValue], dict[str, Any]]:
    """The event's type, and its value as the newest version of the type says it."""
    name, version = body["feedback_type"], body.get("schema_version")
    kind = collect().get(name)
    if kind is None:
        raise UnreadableRow(f"no feedback type is called {name!r} here; install the package it is in")
    if kind.shape_of(version) is None:
        raise UnreadableRow(f"{name} has no version {version} here; update the program")
    return kind, kind.upcast(body["feedback_value"], version)


def _value(kind: type[FeedbackValue], given: dict[str, Any]) -> FeedbackValue:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        name = kind.feedback_type
        raise UnreadableRow(f"a {name} is not shaped as this version of its type says") from error


def _compared(preference: Preference | None) -> dict[str, Any]:
    return {name: getattr(preference, name, None) for name in ("preferred", "rejected", "tie")}


def _segments(context: Mapping[str, Any]) -> str | None:
    named = {name: context[name] for name in SEGMENT_NAMES if name in context}
    segments = {**named, **context.get("segments", {})}
    return json_text(segments) if segments else None


def _lower(feedback_id: str | None) -> str | None:
    return feedback_id.lower() if feedback_id else None


def _is_ahead(row: LogRow) -> bool:
    """Whether the client's own time lies after the receipt: the log keeps it clamped, the body as sent."""
    sent = row.body.get("occurred_at")
    if sent is None or row.occurred_at < row.received_at:
        return False
    moment = parse_time(sent)
    return moment is not None and moment > row.received_at


def _asked(body: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """What is learnt from, as JSON text, or the reference to it: the inputs, else the embedding of them."""
    for name in ("inputs", "embedding"):
        if body.get(name) is not None:
            return json_text(body[name]), None
        if f"{name}_ref" in body:
            return None, body[f"{name}_ref"]
    return None, None


def _chosen(outputs: list[dict[str, Any]], chosen_id: str | None) -> dict[str, Any]:
    """The output that was answered: the chosen one, else the best ranked, else the first."""
    for output in outputs:
        if output["output_id"] == chosen_id:
            return output
    return min(outputs, key=lambda output: output.get("rank", inf), default={})


def _action(chosen: dict[str, Any]) -> str | None:
    """What a bandit would call the choice: its item, else its label or text, else the output's own name."""
    content = chosen.get("content")
    told = content.get("label", content.get("text")) if isinstance(content, dict) else content
    named = chosen.get("item_id", told if isinstance(told, str | int) else chosen.get("output_id"))
    return None if named is None else str(named)


def _numbers(given: Any) -> list[float] | None:
    """The numbers of a list, or of an object by label; None where there are none."""
    numbers = given.values() if isinstance(given, dict) else given
    return [float(number) for number in numbers] if numbers else None


def _softmax(logits: list[float] | None) -> list[float] | None:
    """The probabilities that logits stand for; a single one is that of a yes, beside a no of 0."""
    if logits is None:
        return None
    logits = [*logits, 0.0] if len(logits) == 1 else logits
    most = max(logits)
    powers = [exp(logit - most) for logit in logits]
    total = sum(powers)
    return [power / total for power in powers]


def _weighed_most(logged: Any) -> list[str] | None:
    """The WEIGHED features of the largest logged attributions, the largest first; None where none can be read.

    They are an object of numbers by name, or a list of objects with `feature` and `value`.
    """
    if isinstance(logged, list):
        logged = {each.get("feature"): each.get("value") for each in logged if isinstance(each, dict)}
    if not isinstance(logged, dict):
        return None
    known = {name: abs(value) for name, value in logged.items() if isinstance(name, str) and _is_number(value)}
    return sorted(known, key=lambda name: (-known[name], name))[:WEIGHED] or None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _confidence(probabilities: list[float] | None, score: float | None, stated: float | None) -> float | None:
    if probabilities is not None:
        return max(probabilities)
    return _number(stated if score is None else score)


def _number(given: float | None) -> float | None:
    return None if given is None else float(given)


def __getattr__(name: str) -> Any:
    """FEEDBACK_SCHEMA and INFERENCE_SCHEMA, made when first asked for: the stream has no need of pyarrow."""
    if name in ("FEEDBACK_SCHEMA", "INFERENCE_SCHEMA"):
        from feedback_loop.learning import schemas

        return getattr(schemas, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
