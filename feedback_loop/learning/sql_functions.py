"""Functions of DuckDB that ibis has no word for, each as an expression; imported where an expression is made."""

from typing import TYPE_CHECKING, Any

import ibis

if TYPE_CHECKING:
    from ibis.expr.types import FloatingValue, StringValue, Value

OUTPUT = (
    "struct<output_id: string, content: string, item_id: string, propensity: float64, score: float64, rank: float64>"
)
_SHAPE = (
    '[{"output_id":"VARCHAR","content":"JSON","item_id":"VARCHAR","propensity":"DOUBLE","score":"DOUBLE",'
    '"rank":"DOUBLE"}]'
)
_SPACE = float(2**52)


@ibis.udf.scalar.builtin(name="from_json", signature=(("string", "string"), f"array<{OUTPUT}>"))
def _from_json(text: Any, shape: Any) -> Any:
    """JSON as lists of structs."""


@ibis.udf.scalar.builtin(name="json_extract_string", signature=(("string", "string"), "string"))
def _json_extract_string(text: Any, path: Any) -> Any:
    """The value at a path, without quotes."""


@ibis.udf.scalar.builtin(name="json_extract", signature=(("string", "string"), "string"))
def _json_extract(text: Any, path: Any) -> Any:
    """The value at a path, as JSON."""


@ibis.udf.scalar.builtin(name="json_type", signature=(("string",), "string"))
def json_type(text: Any) -> Any:
    """What a JSON text is: VARCHAR, OBJECT, ARRAY, DOUBLE …"""


@ibis.udf.scalar.builtin(name="sha256", signature=(("string",), "string"))
def sha256(text: Any) -> Any:
    """The digest in hex."""


def outputs_of(outputs: "StringValue") -> Any:
    """The outputs of an inference, out of their JSON text, as an array of OUTPUT; `content` stays JSON text."""
    return _from_json(outputs, _SHAPE)


def member(text: "StringValue", path: str) -> "StringValue":
    """The value at a JSON pointer as text: a string without its quotes, all else as JSON; null where there is none."""
    return _json_extract_string(text, path or "$")


def as_json(text: "StringValue", path: str) -> "StringValue":
    """The value at a JSON pointer as JSON text."""
    return _json_extract(text, path)


def said_in(content: "StringValue") -> "StringValue":
    """The text of an output's content: itself where it is a string, else its member `text`."""
    return ibis.ifelse(json_type(content) == "VARCHAR", member(content, "$"), member(content, "/text"))


def chance(name: "StringValue", seed: int, purpose: str) -> "FloatingValue":
    """A number in (0, 1) that a name and a seed determine, on any engine: 52 bits of an MD5."""
    digest = (f"{purpose}:{seed}:" + name).hexdigest("md5").substr(0, 13)
    return (("0x" + digest).cast("int64").cast("float64") + 0.5) / _SPACE


def row_text(columns: "dict[str, Value]") -> "StringValue":
    """Values as the JSON text of one object, in their order."""
    return ibis.struct(columns).cast("json").cast("string")


@ibis.udf.scalar.builtin(
    name="from_json", signature=(("string", "string"), "array<struct<item_id: string, position: int64>>")
)
def _items_from_json(text: Any, shape: Any) -> Any:
    """JSON as lists of structs."""


def shown_in(exposure: "StringValue") -> Any:
    """The items of an exposure's value, each with its position."""
    return _items_from_json(as_json(exposure, "/items"), '[{"item_id":"VARCHAR","position":"BIGINT"}]')
