"""The published schemas of the feedback types, what would break one, and which versions are on their way out."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from feedback_ingest.feedback_types import FeedbackValue, OlderVersion

READINGS = ("reward", "label", "text", "preference", "target")
LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems")
UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


class Named(msgspec.Struct):
    """What of an event says which schema it was written by."""

    feedback_type: str
    schema_version: str | UnsetType = UNSET


def reads_as(kind: type[FeedbackValue]) -> list[str]:
    """What a value of `kind` can say: reward, label, text, preference, or that it takes another back (target)."""
    return [name for name in READINGS if getattr(kind, name) is not getattr(FeedbackValue, name)]


def versions(kind: type[FeedbackValue]) -> list[str]:
    """Every version of `kind` that the door takes, the oldest first."""
    return [*kind.older, kind.version]


def published(kind: type[FeedbackValue], version: str) -> dict[str, Any]:
    """The JSON Schema of one version, with what it means: its metric, what it reads as, and its examples read."""
    shape = kind.shape_of(version)
    assert shape is not None, "versions() names the versions there are"
    examples = [example for example in kind.examples if _takes(shape, example)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"/v1/schemas/{kind.feedback_type}?version={version}",
        "title": kind.feedback_type,
        "version": version,
        "metric": kind.metric,
        "reads_as": reads_as(kind),
        "examples": examples,
        "readings": [reading(kind, example) for example in examples],
        **portable(msgspec.json.schema(shape)),
    }


def portable(schema: Any) -> Any:
    """`schema` without what is Python's: the anchors of its patterns, and before 3.13 the indents of its docstrings."""
    if isinstance(schema, dict):
        anchored = {name: portable(rule) for name, rule in schema.items()}
        if isinstance(anchored.get("pattern"), str):
            anchored["pattern"] = anchored["pattern"].replace(r"\A", "^").replace(r"\Z", "$")
        if isinstance(anchored.get("description"), str):
            anchored["description"] = inspect.cleandoc(anchored["description"])
        return anchored
    return [portable(rule) for rule in schema] if isinstance(schema, list) else schema


def reading(kind: type[FeedbackValue], example: dict[str, Any]) -> dict[str, Any]:
    """What `example` says once it is read as the newest version."""
    value = msgspec.convert(kind.upcast(example), kind)
    said = {name: getattr(value, name)() for name in READINGS}
    return {name: msgspec.to_builtins(what) for name, what in said.items() if what is not None}


def breaking_changes(old: Mapping[str, Any], new: Mapping[str, Any], kind: type[FeedbackValue]) -> list[str]:
    """What somebody who sends by the published schema `old` would stumble over in `new`, whose type is now `kind`."""
    found = list(_narrowed(old, new, _root(old), _root(new), ""))
    if old["metric"] != new["metric"]:
        found.append(f"changed meaning: it feeds {new['metric']}, not {old['metric']}")
    for example, said in zip(old["examples"], old["readings"], strict=True):
        try:
            if reading(kind, example) != said:
                found.append(f"changed meaning of {example}")
        except msgspec.ValidationError:
            found.append(f"no longer takes {example}")
    return found


def deprecation(events: Sequence[bytes], types: Mapping[str, type[FeedbackValue]]) -> OlderVersion | None:
    """The deprecated version that one of `events` (JSON texts) names, the one that ends first; None where none does."""
    found = []
    for raw in events:
        try:
            named = msgspec.json.decode(raw, type=Named)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        kind = types.get(named.feedback_type)
        if kind is not None and named.schema_version is not UNSET and named.schema_version in kind.older:
            found.append(kind.older[named.schema_version])
    return min(found, key=lambda version: version.sunset, default=None)


def _takes(shape: type[FeedbackValue], example: dict[str, Any]) -> bool:
    try:
        return not msgspec.convert(example, shape).faults()
    except msgspec.ValidationError:
        return False


def _root(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return _resolved(document, document)


def _resolved(document: Mapping[str, Any], rule: Mapping[str, Any]) -> Mapping[str, Any]:
    return document["$defs"][rule["$ref"].rpartition("/")[2]] if "$ref" in rule else rule


def _narrowed(
    old_document: Mapping[str, Any],
    new_document: Mapping[str, Any],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    path: str,
) -> Iterator[str]:
    """What `old` lets pass and `new` does not."""
    old, new = _resolved(old_document, old), _resolved(new_document, new)
    if "anyOf" in old or "anyOf" in new:
        options = new.get("anyOf", [new])
        for choice in old.get("anyOf", [old]):
            if all(any(_narrowed(old_document, new_document, choice, option, path)) for option in options):
                yield f"narrowed: {path} no longer takes {choice.get('type', 'an option')}"
        return
    yield from _rules_narrowed(old, new, path)
    if "items" in old and "items" in new:
        yield from _narrowed(old_document, new_document, old["items"], new["items"], f"{path}/*")
    for name in old.get("properties", {}):
        there = new.get("properties", {}).get(name)
        if there is None:
            yield f"removed: {path}/{name}"
        else:
            yield from _narrowed(old_document, new_document, old["properties"][name], there, f"{path}/{name}")
    for name in sorted({*new.get("required", ())} - {*old.get("required", ())}):
        yield f"required: {path}/{name}"


def _rules_narrowed(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[str]:
    if "type" in new and old.get("type") != new["type"] and (old.get("type"), new["type"]) != ("integer", "number"):
        yield f"narrowed: {path} is {new['type']}, not {old.get('type', 'any')}"
    for bound in LOWER_BOUNDS:
        if bound in new and new[bound] > old.get(bound, -float("inf")):
            yield f"narrowed: {path} has {bound} {new[bound]}"
    for bound in UPPER_BOUNDS:
        if bound in new and new[bound] < old.get(bound, float("inf")):
            yield f"narrowed: {path} has {bound} {new[bound]}"
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield f"narrowed: {path} must match another pattern"
    if "enum" in new and not {*map(repr, old.get("enum", ["anything"]))} <= {*map(repr, new["enum"])}:
        yield f"narrowed: {path} takes fewer values"
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        yield f"narrowed: {path} takes no other names"
    if "default" in old and new.get("default") != old["default"]:
        yield f"changed meaning: {path} is {new.get('default')} where it is absent, not {old['default']}"
