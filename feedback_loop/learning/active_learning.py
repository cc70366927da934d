"""Active learning: which answers teach most, being those the model is least sure of that are least alike."""

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    import numpy as np

WORDS = 256
"""Words are told apart by a hash of so many values."""
UNKNOWN = 0.5
"""How unsure a model counts that does not say."""
LEAST = 0.01
"""What an answer of which the model is certain weighs: alone it is chosen last, but it is chosen."""


def chosen(answers: Sequence[Mapping[str, Any]], count: int) -> list[int]:
    """The places of at most `count` rows of INFERENCE_SCHEMA, the best to look at first.

    One after another the row with the largest product of the model's doubt and the distance (0 to 1) to the nearest
    row that is chosen already; among equals the first. Rows that are like a chosen one in everything are left out.
    """
    import numpy as np

    if not answers:
        return []
    points = _points(answers)
    doubts = np.array([LEAST + _doubt(answer) for answer in answers])
    apart = np.ones(len(answers))
    found: list[int] = []
    while len(found) < min(count, len(answers)):
        worth = np.round(doubts * apart, 9)
        best = int(worth.argmax())
        if worth[best] <= 0:
            break
        found.append(best)
        apart = np.minimum(apart, np.clip(1 - points @ points[best], 0, 1))
        apart[best] = 0
    return found


def _doubt(answer: Mapping[str, Any]) -> float:
    confidence = answer["confidence"]
    return UNKNOWN if confidence is None else 1 - confidence


def _points(answers: Sequence[Mapping[str, Any]]) -> "np.ndarray[Any, Any]":
    """One vector of length 1 a row: its numbers, where all rows hold equally many and nothing else, else its words."""
    import numpy as np

    asked = [orjson.loads(answer["inputs"]) if answer["inputs"] else None for answer in answers]
    numbers = [list(_numbers(one)) for one in asked]
    if numbers[0] and all(len(one) == len(numbers[0]) and None not in one for one in numbers):
        points = np.array(numbers, dtype=float)
        points -= points.mean(axis=0)
    else:
        points = np.zeros((len(answers), WORDS))
        for place, answer in enumerate(answers):
            for word in re.findall(r"\w+", (answer["inputs"] or "").lower()):
                points[place, zlib.crc32(word.encode()) % WORDS] += 1
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return points / np.where(lengths > 0, lengths, 1)


def _numbers(value: Any) -> Iterator[float | None]:
    """Every number in a JSON value, and None for every text."""
    if isinstance(value, dict):
        for one in value.values():
            yield from _numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, int | float):
        yield float(value)
    elif value is not None:
        yield None
