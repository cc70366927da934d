"""Features: the inputs of an inference as flat names and values that a tabular model can learn from."""

from typing import Any

import orjson

MAX_FEATURES = 4_096
"""Values beyond this many in one input are left out, so that one odd event cannot make the matrix explode."""


def flatten(inputs: Any) -> dict[str, float | str]:
    """`inputs` as dotted names to numbers or text: `{"a": {"b": [1, true]}}` is `{"a.b.0": 1.0, "a.b.1": 1.0}`.

    Booleans are 0 and 1, nulls are left out, a bare value is called `value`. At most MAX_FEATURES values.
    """
    flat: dict[str, float | str] = {}
    waiting: list[tuple[str, Any]] = [("", inputs)]
    while waiting and len(flat) < MAX_FEATURES:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(_named(name, list(value.items())))
        elif isinstance(value, list):
            waiting.extend(_named(name, list(enumerate(value))))
        elif isinstance(value, str):
            flat[name or "value"] = value
        elif isinstance(value, bool | int | float):
            flat[name or "value"] = float(value)
    return flat


def flatten_text(inputs: str | None) -> dict[str, float | str]:
    """`flatten` of inputs that are still JSON text, as tables hold them; empty where there are none."""
    return {} if inputs is None else flatten(orjson.loads(inputs))


def _named(prefix: str, members: list[tuple[Any, Any]]) -> list[tuple[str, Any]]:
    """The members with their dotted names, last first, because they are taken from the end."""
    start = f"{prefix}." if prefix else ""
    return [(f"{start}{name}", value) for name, value in reversed(members)]
