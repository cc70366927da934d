"""Agreement: how far people who judged the same items say the same, beyond what chance alone would have them say."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, NamedTuple

Level = Literal["nominal", "ordinal", "interval"]
Difference = Callable[[Any, Any], float]


class Judgement(NamedTuple):
    """What one reviewer said of one item, as text that is equal where the answers are."""

    item: str
    reviewer: str
    answer: str


def krippendorff_alpha(units: Iterable[Sequence[Any]], level: Level = "nominal") -> float | None:
    """Krippendorff's alpha of `units`, each the answers to one item: 1 is agreement, 0 is chance, below is worse.

    Answers are numbers or text, numbers alone for `interval`, and at other levels whatever sorts. Items with a single
    answer say nothing. None where no two answers differ, so that chance cannot be told from agreement.
    """
    met: Counter[tuple[Any, Any]] = Counter()
    for unit in units:
        counts = Counter(unit)
        others = counts.total() - 1
        for (one, ones), (other, more) in combinations(sorted(counts.items()), 2):
            met[one, other] += ones * more / others  # type: ignore[assignment]
        for one, ones in counts.items() if others > 0 else ():
            met[one, one] += ones * (ones - 1) / 2 / others  # type: ignore[assignment]
    totals: Counter[Any] = Counter()
    for pair, weight in met.items():
        for answer in pair:
            totals[answer] += weight
    difference = _difference(level, totals)
    observed = sum(weight * difference(*pair) for pair, weight in met.items())
    expected = sum(totals[a] * totals[b] * difference(a, b) for a, b in combinations(sorted(totals), 2))
    return None if expected == 0 else 1 - (totals.total() - 1) * observed / expected


def cohen_kappa(pairs: Iterable[tuple[Any, Any]]) -> float | None:
    """Cohen's kappa of two reviewers, from what each said of the items both judged; None where chance explains all."""
    said = Counter(pairs)
    count = said.total()
    first, second = Counter[Any](), Counter[Any]()
    for (one, other), times in said.items():
        first[one] += times
        second[other] += times
    equal = sum(times for (one, other), times in said.items() if one == other) * count
    by_chance = sum(times * second[answer] for answer, times in first.items())
    return None if count * count == by_chance else (equal - by_chance) / (count * count - by_chance)


def pairwise_agreement(answers: Sequence[Any]) -> float | None:
    """The share of pairs of answers to one item that are equal; None for fewer than two answers."""
    if len(answers) < 2:
        return None
    equal = sum(times * (times - 1) for times in Counter(answers).values())
    return equal / (len(answers) * (len(answers) - 1))


def confusions(judgements: Iterable[Judgement], truth: Mapping[str, str]) -> dict[str, Counter[tuple[str, str]]]:
    """By reviewer how often each (true answer, said answer) came, over the items whose `truth` is known."""
    found: dict[str, Counter[tuple[str, str]]] = {}
    for item, reviewer, answer in judgements:
        if item in truth:
            found.setdefault(reviewer, Counter())[truth[item], answer] += 1
    return found


def _difference(level: Level, totals: Mapping[Any, float]) -> Difference:
    """How far apart two answers are, squared; the smaller one comes first."""
    if level == "interval":
        return lambda one, other: float(one - other) ** 2
    if level == "nominal":
        return lambda one, other: float(one != other)
    ordered = sorted(totals)
    places = {answer: place for place, answer in enumerate(ordered)}
    upto = [0.0]
    for answer in ordered:
        upto.append(upto[-1] + totals[answer])

    def ranks(one: Any, other: Any) -> float:
        between = upto[places[other] + 1] - upto[places[one]]
        return float(between - (totals[one] + totals[other]) / 2) ** 2

    return ranks
