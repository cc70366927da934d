"""JSON as RFC 8259 and I-JSON mean it: one parser, one walk, no leniency; what it lets through Postgres can store."""

from collections.abc import Iterable
from typing import Any

import orjson

from feedback_ingest.errors import Fault, MalformedJson, TooDeep

MAX_DEPTH = 32
MAX_VALUES = 10_000
MAX_TEXT = 65_536
MAX_NAME = 256
MAX_NUMBER = 2**53 - 1


def parse(raw: bytes) -> Any:
    """The value of `raw`; raises MalformedJson or TooDeep. Names must be unique: call `refuse_duplicate_names` too."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if "recursion" in str(error):
            raise TooDeep() from None
        raise MalformedJson() from None


def names_written(raw: bytes) -> int:
    """How many object names valid JSON text writes: outside strings a colon stands only after a name."""
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(raw.split(b'"')[::2]).count(b":")


def _colons(raw: bytes) -> int:
    return raw.count(b":")


def refuse_duplicate_names(raw: bytes, once: bytes) -> None:
    """Raises MalformedJson unless `raw` writes as many names as `once`, which is its value written anew."""
    # A name that is gone took its colon along, and no colon comes anew but from an escape.
    count = names_written if b"\\" in raw and b"\\u" in raw else _colons
    if count(raw) != count(once):
        raise MalformedJson("The body writes a name twice in one object; send each name once.")


def walk(value: Any) -> list[Fault]:
    """Looks at every value once: depth, count, numbers, text, names; at most 20 faults; raises TooDeep.

    The depth counts containers from `value` itself, which is level 1.
    """
    return _walk([(value, None, 1)])


def walk_members(value: dict[str, Any], names: Iterable[str]) -> list[Fault]:
    """The same of the members `names` of `value`, where it has them."""
    return _walk([(value[name], (None, name), 2) for name in names if name in value])


def _walk(stack: list[tuple[Any, Any, int]]) -> list[Fault]:
    """Takes containers with their paths, as `pointer` takes them, and their depths."""
    seen = 0
    faults: list[Fault] = []
    while stack:
        container, path, depth = stack.pop()
        if depth > MAX_DEPTH and type(container) in (dict, list):
            raise TooDeep()
        if type(container) is dict:
            entries: Iterable[tuple[Any, Any]] = container.items()
        elif type(container) is list:
            entries = enumerate(container)
        else:
            entries = (("", container),)
        for name, entry in entries:
            seen += 1
            kind = type(entry)
            if kind is dict or kind is list:
                stack.append((entry, (path, name), depth + 1))
                fault = _name_fault(name)
            else:
                fault = _name_fault(name) or _leaf_fault(entry, kind)
            if fault and len(faults) < 20:
                faults.append(Fault(pointer((path, name)), fault))
    if seen > MAX_VALUES:
        faults.insert(0, Fault("", "too-many-values"))
    return faults


def _name_fault(name: Any) -> str | None:
    if type(name) is str:
        if not name:
            return "empty-name"
        if len(name) > MAX_NAME:
            return "name-too-long"
        if "\0" in name:
            return "nul-character"
    return None


def _leaf_fault(value: Any, kind: type) -> str | None:
    if kind is str:
        if len(value) > MAX_TEXT:
            return "too-long"
        return "nul-character" if "\0" in value else None
    if kind is int or kind is float:
        return None if -MAX_NUMBER <= value <= MAX_NUMBER else "number-out-of-range"
    return None


def pointer(path: Any) -> str:
    """The RFC 6901 pointer of a path kept as (parent, name) pairs; a name nobody could have meant is shortened."""
    parts = []
    while path is not None:
        path, name = path
        text = str(name)
        text = text if len(text) <= 64 and text.isprintable() else "…"
        parts.append(text.replace("~", "~0").replace("/", "~1"))
    return "".join("/" + part for part in reversed(parts))
