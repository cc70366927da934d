"""References: inputs that stand elsewhere, what may become of one that is read, and how a dataset tells of them."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from feedback_ingest.errors import FeedbackError
from feedback_loop.learning.rows import json_text

STATED = re.compile(r"#sha256=([0-9a-f]{64})\Z")
FIRST = 20


class ReferenceUnusable(FeedbackError):
    """An inference's inputs cannot be read; it is left out of the dataset, and the manifest says why.

    `reason` is missing, not-allowed, unreadable, too-large, no-content (not the JSON or text it is said to be),
    changed (not what was read before, or not what the reference states) or no-such-scheme.
    """

    code = "reference-unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Read:
    """What stood behind a reference: its inputs as JSON text, the digest of its bytes in hex, and how many."""

    inputs: str
    sha256: str
    bytes_: int


@dataclass(frozen=True, slots=True)
class Excluded:
    """An inference that is left out, by its offset, and why."""

    inference_offset: int
    reason: str


@dataclass(frozen=True, slots=True)
class Named:
    """A reference apart: `scheme://address`, and the digest it states, if it does."""

    scheme: str
    address: str
    sha256: str | None


def named(reference: str) -> Named:
    """The parts of `scheme://address#sha256=hex`; without a scheme, all is address."""
    stated = STATED.search(reference)
    scheme, _, address = (reference[: stated.start()] if stated else reference).rpartition("://")
    return Named(scheme, address, stated[1] if stated else None)


def understood(place: Named, content: bytes) -> Read:
    """`content` as inputs: the text of a `.txt`, the value of any other; raises ReferenceUnusable."""
    digest = hashlib.sha256(content).hexdigest()
    if place.sha256 not in (None, digest):
        raise ReferenceUnusable("changed")
    try:
        value = content.decode() if place.address.endswith(".txt") else orjson.loads(content)
        return Read(json_text(value), digest, len(content))
    except (ValueError, TypeError) as error:  # no UTF-8, no JSON, nested beyond measure
        raise ReferenceUnusable("no-content") from error


def with_inputs(
    rows: Iterable[Mapping[str, Any]], found: Mapping[str, Read | str]
) -> tuple[list[dict[str, Any]], list[Excluded]]:
    """`rows` (LABELED_SCHEMA) with what was `found` behind their references, and those left out for the reason found.

    Each gets `inputs_sha256`: the digest of the object its inputs were read from; null where the log holds them.
    """
    kept, excluded = [], []
    for row in rows:
        read = None if row["inputs"] is not None else found[row["inputs_ref"]]
        if read is None:
            kept.append({**row, "inputs_sha256": None})
        elif isinstance(read, Read):
            kept.append({**row, "inputs": read.inputs, "inputs_sha256": read.sha256})
        else:
            excluded.append(Excluded(row["inference_offset"], read))
    return kept, excluded


def references_told(rows: Sequence[Mapping[str, Any]], excluded: Sequence[Excluded]) -> dict[str, Any]:
    """What a manifest says: rows read from elsewhere with one digest over theirs, rows left out with the reason.

    The digest is SHA-256, in hex, over one line `inference_offset,inputs_sha256` a row read, in order.
    """
    digest, read = hashlib.sha256(), 0
    for row in rows:
        if row["inputs_sha256"] is not None:
            digest.update(f"{row['inference_offset']},{row['inputs_sha256']}\n".encode())
            read += 1
    return {
        "rows": read,
        "digest": digest.hexdigest(),
        "excluded": dict(sorted(Counter(each.reason for each in excluded).items())),
        "first_excluded": [
            {"inference_offset": each.inference_offset, "reason": each.reason} for each in excluded[:FIRST]
        ],
    }
