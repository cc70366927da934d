"""Whether a shape bounds all it takes: then nothing in it is left for the walk that looks at free JSON."""

from functools import cache
from typing import Any

from msgspec import inspect

from feedback_ingest.strict_json import MAX_NUMBER, MAX_TEXT


@cache
def is_bounded(shape: type[Any]) -> bool:
    """Whether every text, number and name a value of `shape` may hold is within the limits of strict_json."""
    return bounds_all(inspect.type_info(shape))


def bounds_all(kind: Any) -> bool:
    """The same of a type as msgspec.inspect tells it."""
    match kind:
        case inspect.StrType():
            return kind.max_length is not None and kind.max_length <= MAX_TEXT
        case inspect.IntType() | inspect.FloatType():
            low = kind.ge if kind.ge is not None else kind.gt
            high = kind.le if kind.le is not None else kind.lt
            return low is not None and high is not None and low >= -MAX_NUMBER and high <= MAX_NUMBER
        case inspect.BoolType() | inspect.NoneType() | inspect.LiteralType():
            return True
        case inspect.UnionType():
            return all(map(bounds_all, kind.types))
        case inspect.ListType():
            return bounds_all(kind.item_type)
        case inspect.StructType():
            return all(bounds_all(field.type) for field in kind.fields)
        case _:  # any JSON, and maps, whose names are free
            return False
