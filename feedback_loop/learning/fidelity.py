"""Fidelity: how much a source of feedback is worth, by metric and segment, and whether that has become less.

A score is the geometric mean of the parts that are known, each 0 to 1, so that one part that is worth nothing is not
made up for by the others.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import exp, log, log2
from typing import Any, NamedTuple

from feedback_loop.learning.bias.comparing import Z_999
from feedback_loop.learning.influence import LIKING
from feedback_loop.learning.metrics._interval import Z_95, interval
from feedback_loop.learning.segments import Admitted

WINDOW = 20_000
"""The newest feedback of a model that is looked at."""

HALF_LIFE_S = 86_400.0
"""What is said so long after the answer is worth half of what is said at once."""

LEAST = 50
"""Feedback a cell needs to be scored, and comparisons that each half of it needs to tell that it has become worse."""

LEAST_GAP = 0.1
DEGRADED, RESTORED = "fidelity_degraded", "fidelity_restored"
KNOWING = ("ground_truth", "review_label")
"""Types that tell what is right; what others say is compared with them."""

Row = Mapping[str, Any]
"""A row of ATTRIBUTED_SCHEMA with `asked_at` and `asked_segments` of its inference (null while that is unknown)."""


class Part(NamedTuple):
    """One part of a score: its value, where it can be told what it lies between, and by how many feedback it is told.

    `attribution`: the share whose inference is known and agrees with what is said of it. `agreement`: the share of what
    can be compared with the truth, or with reviewers, that agrees. `informativeness`: the entropy of what is said, as a
    share of the most it could be; who always says the same says nothing. `timeliness`: how fresh it is.
    """

    value: float
    low: float
    high: float
    told_by: int


class Fidelity(NamedTuple):
    """A source, metric and segment (empty: all) of one model; `worse` says what its newer half does worse."""

    source: str
    metric: str
    segment: str
    events: int
    score: float
    parts: Mapping[str, Part]
    worse: str | None


class Word(NamedTuple):
    """What is read of one feedback: whether it is attributed, agrees with the truth, what it says, and how late."""

    is_attributed: bool
    agrees: bool | None
    says: str | None
    delay_s: float | None


def fidelities(project_id: int, rows: Iterable[Row], admitted: Admitted) -> list[Fidelity]:
    """Of every source, metric and segment with at least LEAST feedback among the rows of one model."""
    ordered = sorted((row for row in rows if _speaks(row)), key=lambda row: int(row["log_offset"]))
    known = {row["inference_request_id"]: row["label"] for row in ordered if _tells_truth(row)}
    cells: defaultdict[tuple[str, str, str], list[Word]] = defaultdict(list)
    for row in ordered:
        word = _word(row, known)
        for segment in admitted.segments_of(project_id, row["segments"], row["asked_segments"]):
            cells[row["source_kind"], row["metric"] or "", segment].append(word)
    return [_scored(key, words) for key, words in sorted(cells.items()) if len(words) >= LEAST]


def to_tell(found: Fidelity, before: str | None) -> str | None:
    """The kind of fact that is worth telling, given the kind of the last one about the cell; None for nothing."""
    if found.worse is not None:
        return None if before == DEGRADED else DEGRADED
    return RESTORED if before == DEGRADED else None


def cell_of(body: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Which cell a fact speaks of: model, source, metric, segment."""
    return body["model_name"], body["source"], body["metric"], body["segment"]


def told(found: Fidelity) -> dict[str, Any]:
    """The score with its parts as JSON values."""
    parts = {name: part._asdict() for name, part in found.parts.items()}
    return {**found._asdict(), "parts": parts, "is_degraded": found.worse is not None}


def _speaks(row: Row) -> bool:
    stands = row["state"] != "held" and not row["is_undone"] and not row["is_retraction"]
    return stands and row["feedback_type"] != "exposure"


def _tells_truth(row: Row) -> bool:
    return row["feedback_type"] in KNOWING and row["state"] == "attributed" and row["label"] is not None


def _word(row: Row, known: Mapping[str, str]) -> Word:
    is_attributed = row["state"] == "attributed"
    truth = known.get(row["inference_request_id"])
    agrees, says = None, row["label"] or row["preferred"]
    if row["feedback_type"] in LIKING:
        says = "good" if row["reward"] >= 0.5 else "bad"
        if truth is not None and row["answer_label"] is not None:
            agrees = (says == "good") == (truth == row["answer_label"])
    elif row["label"] is not None and truth is not None and row["feedback_type"] not in KNOWING:
        agrees = row["label"] == truth
    delay_s = None
    if row["asked_at"] is not None:
        delay_s = max((_time(row["occurred_at"]) - _time(row["asked_at"])).total_seconds(), 0.0)
    return Word(is_attributed, agrees if is_attributed else None, says, delay_s)


def _scored(key: tuple[str, str, str], words: Sequence[Word]) -> Fidelity:
    parts = {
        "attribution": _share([word.is_attributed for word in words]),
        "agreement": _share([word.agrees for word in words if word.agrees is not None]),
        "informativeness": _informativeness([word.says for word in words if word.says is not None]),
        "timeliness": _timeliness([word.delay_s for word in words if word.delay_s is not None]),
    }
    known = {name: part for name, part in parts.items() if part is not None}
    score = exp(sum(log(max(part.value, 1e-6)) for part in known.values()) / len(known))
    return Fidelity(*key, len(words), score, known, _worse(words))


def _share(held: Sequence[bool], z: float = Z_95) -> Part | None:
    if not held:
        return None
    return Part(sum(held) / len(held), *interval(sum(held), len(held), z), len(held))


def _informativeness(said: Sequence[str]) -> Part | None:
    counts = Counter(said)
    if not counts:
        return None
    shares = [count / len(said) for count in counts.values()]
    # One answer alone might have had one other.
    value = -sum(share * log2(share) for share in shares) / log2(max(len(counts), 2))
    return Part(value, value, value, len(said))


def _timeliness(delays_s: Sequence[float]) -> Part | None:
    if not delays_s:
        return None
    value = sum(2 ** (-delay_s / HALF_LIFE_S) for delay_s in delays_s) / len(delays_s)
    return Part(value, value, value, len(delays_s))


def _worse(words: Sequence[Word]) -> str | None:
    """What the newer half agrees or is attributed less than the older one, beyond both 99.9 % intervals."""
    halves = words[: len(words) // 2], words[len(words) // 2 :]
    sides = {
        "agreement": [[word.agrees for word in half if word.agrees is not None] for half in halves],
        "attribution": [[word.is_attributed for word in half] for half in halves],
    }
    for name, (older, newer) in sides.items():
        before, now = _share(older, Z_999), _share(newer, Z_999)
        if before is None or now is None or min(before.told_by, now.told_by) < LEAST:
            continue
        if now.high < before.low and before.value - now.value >= LEAST_GAP:
            return f"{name} fell from {before.value:.2f} of {before.told_by} to {now.value:.2f} of {now.told_by}"
    return None


def _time(moment: datetime | str) -> datetime:
    return datetime.fromisoformat(moment) if isinstance(moment, str) else moment
