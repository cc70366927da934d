"""JSON is read as RFC 8259 and I-JSON mean it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_ingest.canonical import canonical_json
from feedback_ingest.errors import MalformedJson, TooDeep
from feedback_ingest.strict_json import names_written, parse, pointer, refuse_duplicate_names, walk

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, width=32) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def members(value: object) -> int:
    """How many names all objects inside hold."""
    if isinstance(value, dict):
        return len(value) + sum(members(entry) for entry in value.values())
    return sum(members(entry) for entry in value) if isinstance(value, list) else 0


@given(JSON_VALUES, st.booleans())
def test_counts_the_names_of_any_document(value: object, ascii_only: bool) -> None:
    """However strings, escapes and colons are mixed, the count of written names is exact."""
    for separators in ((",", ":"), (", ", ": "), (" , ", " : ")):
        raw = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode("utf-8", "surrogatepass")

        assert names_written(raw) == members(value)


@pytest.mark.parametrize("raw", [b'{"a":1,"a":2}', rb'{"a":1,"\u0061":2}', b'{"x":{"a":":","a":1}}'])
def test_refuses_a_name_written_twice(raw: bytes) -> None:
    """Readers disagree about which of two equal names counts, so neither does."""
    with pytest.raises(MalformedJson):
        refuse_duplicate_names(raw, canonical_json(parse(raw)))


@pytest.mark.parametrize(
    "raw", [b"NaN", b"1e400", b"\xef\xbb\xbf1", b'"\xed\xa0\x80"', b'{"a":1}x', b"", b"'a'", b"01"]
)
def test_refuses_what_is_not_json(raw: bytes) -> None:
    """Leniencies of common parsers are refusals here."""
    with pytest.raises(MalformedJson):
        parse(raw)


def test_counts_depth_from_the_root() -> None:
    """32 containers inside each other pass, 33 do not, and the walk does not recurse."""
    walk(parse(b"[" * 32 + b"]" * 32))

    with pytest.raises(TooDeep):
        walk(parse(b"[" * 33 + b"]" * 33))


@pytest.mark.parametrize(
    ("value", "at", "code"),
    [
        ({"a": {"b": ["x\0"]}}, "/a/b/0", "nul-character"),
        ({"n": 2**53}, "/n", "number-out-of-range"),
        ({"": 1}, "/", "empty-name"),
        ({"a/b~c": 1e300}, "/a~1b~0c", "number-out-of-range"),
        ({"t": "x" * 65_537}, "/t", "too-long"),
    ],
)
def test_points_at_what_cannot_be_stored(value: object, at: str, code: str) -> None:
    """A fault names the place by an RFC 6901 pointer and the remedy by a code."""
    faults = walk(value)

    assert [(fault.pointer, fault.code) for fault in faults] == [(at, code)]


def test_never_echoes_a_name_nobody_could_have_meant() -> None:
    """A pointer is no way to have a hostile name reflected."""
    assert pointer(((None, "a\u202eb"), "x" * 65)) == "/…/…"
