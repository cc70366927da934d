"""Near-duplicate texts: a text as a few numbers, some of which nearly equal texts share (MinHash, Broder 1997)."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

import orjson

if TYPE_CHECKING:
    import ibis
    import numpy as np

LEAST_WORDS = 5
"""Shorter remarks are said by many without a thought: "wrong", "thank you"."""

WORDS = 2
BANDS, ROWS = 8, 4
"""Texts that share four of five pairs of words share a number with 98.5 %, those that share one in three with 9 %."""

LONGEST = 10_000
REMARK, MENTIONED = "explicit_comment", '"comment":'
"""The type that is a remark, and what the JSON of one of another type that comes with a remark holds."""

WORD = re.compile(r"\w+")

Row = Mapping[str, Any]


def bands(text: str) -> tuple[int, ...]:
    """BANDS numbers below 2**35 of which nearly equal texts share at least one; none for a short text."""
    import numpy as np

    words = WORD.findall(text[:LONGEST].casefold())
    if len(words) < LEAST_WORDS:
        return ()
    shingles = {" ".join(words[place : place + WORDS]) for place in range(len(words) - WORDS + 1)}
    hashed = np.array(sorted(crc32(each.encode()) for each in shingles), dtype=np.uint64)
    factors, summands = _hashes()
    least = (hashed[:, None] * factors + summands >> np.uint64(32)).min(axis=0)
    return tuple(crc32(least[place * ROWS : (place + 1) * ROWS].tobytes()) << 3 | place for place in range(BANDS))


def remark_of(row: Row) -> str | None:
    """What a feedback row (FEEDBACK_SCHEMA) remarks in words; an answer that is given as text is none."""
    told = row["feedback_value"]
    if row["feedback_type"] != REMARK and MENTIONED not in told:
        return None
    remark = orjson.loads(told).get("text" if row["feedback_type"] == REMARK else "comment")
    return remark if isinstance(remark, str) else None


def remarks(feedback: "ibis.Table") -> list[tuple[int, int, str]]:
    """(project, offset, remark) of every feedback in a table that has one, in the order of the log."""
    said = feedback.filter((feedback.feedback_type == REMARK) | feedback.feedback_value.contains(MENTIONED))
    rows = said.select("project_id", "log_offset", "feedback_type", "feedback_value").order_by("log_offset")
    found = ((row, remark_of(row)) for row in rows.to_pyarrow().to_pylist())
    return [(row["project_id"], row["log_offset"], remark) for row, remark in found if remark is not None]


def repeats(remarks: Iterable[tuple[int, int, str]], known: Iterable[tuple[int, int]] = ()) -> dict[int, bool]:
    """By offset whether a remark repeats an earlier one of its project; those too short to tell are left out.

    `remarks` are (project, offset, text) in the order of the log, `known` the (project, band) of what came before.
    """
    seen, found = set(known), {}
    for project_id, offset, text in remarks:
        mine = {(project_id, band) for band in bands(text)}
        if mine:
            found[offset] = not mine.isdisjoint(seen)
            seen |= mine
    return found


@cache
def _hashes() -> tuple["np.ndarray", "np.ndarray"]:
    """Factors and summands of the hash functions (multiply and shift, modulo 2**64).

    They are the same for ever, or texts of today and of yesterday could not be compared.
    """
    import numpy as np

    raw = np.random.PCG64(1997).random_raw(2 * BANDS * ROWS)
    return raw[: BANDS * ROWS] | np.uint64(1), raw[BANDS * ROWS :]
