"""What a model was asked and what it answered, wherever the conventions of its time have put it.

Now: `gen_ai.input.messages` and `gen_ai.output.messages`, on the span or on its event of details. Up to 1.36: events a
message (`gen_ai.user.message`, `gen_ai.choice`), before that `gen_ai.content.prompt` and `…completion`. OpenLLMetry's
own: `gen_ai.prompt.0.content` and so on. A structured value may have been written as JSON text.
"""

import re
from typing import Any

import orjson

from feedback_ingest.otlp.protocol import PlainSpan

DETAILS = "gen_ai.client.inference.operation.details"
MESSAGE = re.compile(r"\Agen_ai\.(system|user|assistant|tool)\.message\Z")
INDEXED = re.compile(r"\Agen_ai\.(prompt|completion)\.([0-9]{1,4})\.(.+)\Z", re.DOTALL)


def inputs_of(span: PlainSpan) -> dict[str, Any]:
    """`messages` (`prompt`, where it is no list), `system_instructions`, `tools`; empty where nothing was captured."""
    told = _told(span)
    asked = structured(told.get("gen_ai.input.messages")) or _indexed(told, "prompt") or _messages(span)
    asked = asked or structured(told.get("gen_ai.prompt"))
    found = {
        "messages": asked if isinstance(asked, list) else None,
        "prompt": None if isinstance(asked, list) else asked,
        "system_instructions": structured(told.get("gen_ai.system_instructions")),
        "tools": structured(told.get("gen_ai.tool.definitions")),
    }
    return {name: value for name, value in found.items() if value is not None}


def outputs_of(span: PlainSpan) -> list[dict[str, Any]]:
    """One output for each answer, at least one; without captured content it holds only why the model stopped."""
    told = _told(span)
    answered = structured(told.get("gen_ai.output.messages")) or _indexed(told, "completion") or _choices(span)
    answered = answered or structured(told.get("gen_ai.completion")) or []
    messages = answered if isinstance(answered, list) else [answered]
    reasons = told.get("gen_ai.response.finish_reasons")
    reasons = reasons if isinstance(reasons, list) else []
    count = max(len(messages), len(reasons), 1)
    contents = [_content(messages[place] if place < len(messages) else {}) for place in range(count)]
    for content, reason in zip(contents, reasons, strict=False):
        content.setdefault("finish_reason", reason)
    if "error.type" in told:
        contents[0].setdefault("error", told["error.type"])
    return [{"output_id": str(place), "content": content} for place, content in enumerate(contents)]


def structured(value: Any) -> Any:
    """The value that JSON text writes; anything else as it is."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _told(span: PlainSpan) -> dict[str, Any]:
    """The span's attributes, and beside them those of its events that hold content."""
    told: dict[str, Any] = {}
    for name, attributes in span.events:
        if name in (DETAILS, "gen_ai.content.prompt", "gen_ai.content.completion"):
            told |= attributes
    return told | span.attributes


def _indexed(told: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Messages written as one attribute a field: `gen_ai.prompt.0.role`."""
    found: dict[int, dict[str, Any]] = {}
    for name, value in told.items():
        place = INDEXED.match(name)
        if place and place[1] == kind:
            found.setdefault(int(place[2]), {})[place[3]] = value
    return [found[place] for place in sorted(found)]


def _messages(span: PlainSpan) -> list[dict[str, Any]]:
    """Messages written as one event each."""
    found = ((MESSAGE.match(name), attributes) for name, attributes in span.events)
    return [{"role": kind[1], **_own(attributes)} for kind, attributes in found if kind]


def _choices(span: PlainSpan) -> list[dict[str, Any]]:
    """Answers written as one event each, in the order of their index."""
    found = [_own(attributes) for name, attributes in span.events if name == "gen_ai.choice"]
    for choice in found:
        message = choice.pop("message", None)
        choice |= message if isinstance(message, dict) else {"content": message} if message else {}
    return sorted(found, key=lambda choice: choice["index"] if isinstance(choice.get("index"), int) else 0)


def _own(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: structured(value) for name, value in attributes.items() if not name.startswith("gen_ai.")}


def _content(message: Any) -> dict[str, Any]:
    """A message as the content of an output: its text as `text`, everything else of it kept."""
    if not isinstance(message, dict):
        return {"text": message} if isinstance(message, str) else {"value": message}
    content = {name: value for name, value in message.items() if value is not None and name != "index"}
    text = _text(content)
    if text is None:
        return content
    parts = content.get("parts")
    if isinstance(parts, list) and all(map(_is_text, parts)):
        del content["parts"]
    if content.get("content") == text:
        del content["content"]
    return {"text": text, **content}


def _text(message: dict[str, Any]) -> str | None:
    if isinstance(message.get("content"), str):
        return str(message["content"])
    parts = message.get("parts")
    texts = [part["content"] for part in parts if _is_text(part)] if isinstance(parts, list) else []
    return "".join(texts) if texts else None


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("content"), str)
