"""Failure slices: of which segments and inputs a model's answers are wrong more often than of the rest.

A slice is all judged answers that share one attribute. Each is held against the rest of the answers by Fisher's exact
test, one-sided; of all that were looked at together, Benjamini and Hochberg's procedure lets no more than a share
FALSE_SHARE of those found be chance. A slice needs LEAST_ANSWERS to be looked at, and LEAST_GAP to be worth a look.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from feedback_loop.learning.metrics._interval import interval
from feedback_loop.learning.texts import length_of

LEAST_ANSWERS = 20
LEAST_GAP = 0.05
FALSE_SHARE = 0.05
STEPS = ((0.5, "below 0.5"), (0.7, "0.5 to 0.7"), (0.9, "0.7 to 0.9"))
"""How sure the model was, in words."""

Attribute = tuple[str, str]
"""What answers may share: its name and its value."""


class Slice(NamedTuple):
    """The answers that share an attribute: how many, how many of them wrong, and how that compares with the rest.

    `low` and `high` are Wilson's 95 % interval of `rate`; `p` is by Fisher's test, `is_found` after all were corrected.
    """

    attribute: str
    value: str
    answers: int
    wrong: int
    rate: float
    low: float
    high: float
    rest_rate: float
    p: float
    is_found: bool


def attributes_of(row: Mapping[str, Any]) -> set[Attribute]:
    """What an answer may share with others; `row` is one of `failure_rows`.

    Segments of the feedback and of the inference, what sources outside the log told, the answer, the language
    and length of the text, how sure the model was, and the features that weighed most.
    """
    found = {("answer", row["answer_label"])} if row["answer_label"] is not None else set()
    if row["confidence"] is not None:
        found.add(("confidence", next((word for limit, word in STEPS if row["confidence"] < limit), "0.9 and above")))
    for text in (row["segments"], row["inference_segments"]):
        found |= {(f"segment {name}", str(value)) for name, value in _members(text)}
    for source, told in _members(row["context"]):
        found |= {(f"{source}.{name}", str(value)) for name, value in told.items() if isinstance(value, str | bool)}
    if row["text_characters"] is not None:
        found.add(("length", length_of(row["text_characters"])))
    if row["text_language"] is not None:
        found.add(("language", row["text_language"]))
    return found | {("weighed most", feature) for feature in row["attributed_to"] or ()}


def failure_slices(rows: Iterable[Mapping[str, Any]]) -> list[Slice]:
    """The slices of the judged answers of one model (`correct` is known), those found first, then by excess failures.

    Empty where nothing was wrong, or all: then no slice is worse than the rest.
    """
    answers: Counter[Attribute] = Counter()
    wrong: Counter[Attribute] = Counter()
    total = failed = 0
    for row in rows:
        shared = attributes_of(row)
        answers.update(shared)
        total += 1
        if not row["correct"]:
            wrong.update(shared)
            failed += 1
    looked_at = [each for each, count in answers.items() if LEAST_ANSWERS <= count < total]
    told = [_slice(each, answers[each], wrong[each], total, failed) for each in sorted(looked_at)]
    limit = _limit([each.p for each in told])
    told = [each._replace(is_found=each.p <= limit and each.rate - each.rest_rate >= LEAST_GAP) for each in told]
    return sorted(told, key=lambda each: (not each.is_found, (each.rest_rate - each.rate) * each.answers))


def _slice(attribute: Attribute, answers: int, wrong: int, total: int, failed: int) -> Slice:
    from scipy.stats import hypergeom

    low, high = interval(wrong, answers)
    p = float(hypergeom.sf(wrong - 1, total, failed, answers))
    return Slice(*attribute, answers, wrong, wrong / answers, low, high, (failed - wrong) / (total - answers), p, False)


def _limit(chances: Sequence[float]) -> float:
    """The largest p of Benjamini and Hochberg's; below all where none passes."""
    ordered = sorted(chances)
    passing = [p for rank, p in enumerate(ordered, 1) if p <= FALSE_SHARE * rank / len(ordered)]
    return max(passing, default=-1.0)


def _members(text: str | None) -> Iterable[tuple[str, Any]]:
    return () if text is None else orjson.loads(text).items()
