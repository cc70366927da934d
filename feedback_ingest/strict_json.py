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


def _pairs(raw: bytes) -> int:
    return raw.count(b'":')


def _is_plain(raw: bytes) -> bool:
    """Whether there is neither an escape nor a space before a colon."""
    return not (b"\\" in raw or b" :" in raw or b"\n:" in raw or b"\r:" in raw or b"\t:" in raw)


def refuse_duplicate_names(raw: bytes, once: bytes) -> None:
    """Raises MalformedJson unless `raw` writes as many names as `once`, which is its value written anew."""
    # In plain text every name is followed by `":`; a text that begins with a colon counts too, and stands in both.
    count = _pairs if _is_plain(raw) else names_written
    if count(raw) != count(once):
        raise MalformedJson("The body writes a name twice in one object; send each name once.")


def is_flat(raw: bytes) -> bool:
    """Whether `raw` opens so few containers that it cannot be too deep, and has no escape, so no U+0000 either."""
    return b"\\" not in raw and raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH


def walk(value: Any, parent: Any = None) -> list[Fault]:
    """Looks at every value once: depth, count, numbers, text, names; at most 20 faults; raises TooDeep.

    The depth counts containers from `value` itself, which is level 1; `parent` is its path, as `pointer` takes it.
    """
    seen = 0
    faults: list[Fault] = []
    stack: list[tuple[Any, Any, int]] = [(value, parent, 1)]
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
