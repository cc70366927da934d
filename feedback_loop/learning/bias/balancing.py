"""Balancing a dataset: what its rows weigh so that they are spread over segments as traffic was, and what that leaves.

Rows are weighted by the inverse of how likely an inference of their segments became a row. Where several segment names
are skewed they are fitted in turn until all agree (raking: Deming and Stephan, 1940).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_loop.learning.bias.comparing import Distance, independence, stability
from feedback_loop.learning.bias.verdicts import CHANCE, LEAST_PSI
from feedback_loop.learning.bias.weighting import LEAST, MOST
from feedback_loop.learning.segments import ALL, Admitted

if TYPE_CHECKING:
    import ibis

ROUNDS = 25

Texts = Mapping[str | None, int]
"""How often each `segments` column (JSON text; None: no segment) comes among some inferences."""


class Skew(NamedTuple):
    """How far the rows are spread otherwise than traffic over the values of one segment name."""

    name: str
    before: Distance
    after: Distance
    """The same once the rows are weighted, as if there were only as many rows as their weights are worth."""


class Balance(NamedTuple):
    """`weights` by `segments` column, 1 on the whole and within 0.1 and 10; a column that is missing weighs 1."""

    weights: Mapping[str | None, float]
    skews: tuple[Skew, ...]

    @property
    def worst(self) -> Skew | None:
        """The skew that the weights leave largest."""
        return max(self.skews, key=lambda skew: skew.after.value, default=None)


def balance(project_id: int, traffic: Texts, rows: Texts, admitted: Admitted) -> Balance:
    """The weights of `rows`, given the inferences they were taken from."""
    cells = {text: dict(_pairs(project_id, text, admitted)) for text in {**traffic, **rows}}
    names = sorted({name for cell in cells.values() for name in cell})
    served = {name: _margin(name, cells, traffic) for name in names}
    plain = {name: _margin(name, cells, rows) for name in names}
    skewed = [name for name in names if _is_skewed(served[name], plain[name])]
    weights = _raked(cells, served, rows, skewed)
    worth = _worth(weights, rows)
    skews = []
    for name in names:
        after = _margin(name, cells, {text: count * weights[text] for text, count in rows.items()})
        scaled = {value: amount * worth for value, amount in after.items()}
        skews.append(Skew(name, _apart(served[name], plain[name]), _apart(served[name], scaled)))
    return Balance(weights, tuple(skews))


def counted(inferences: "ibis.Table") -> dict[str | None, int]:
    """How often each `segments` column comes among these inferences."""
    texts = inferences.group_by("segments").agg(times=inferences.count()).order_by("segments")
    return {row["segments"]: row["times"] for row in texts.to_pyarrow().to_pylist()}


def told(balanced: Balance) -> list[dict[str, Any]]:
    """The skews as JSON values, for a manifest."""
    return [{"name": name, "psi": before.value, "psi_weighted": after.value} for name, before, after in balanced.skews]


def _pairs(project_id: int, text: str | None, admitted: Admitted) -> list[tuple[str, str]]:
    found = (key.partition("=") for key in admitted.segments_of(project_id, None, text) if key != ALL)
    return [(name, value) for name, _, value in found]


def _margin(
    name: str, cells: Mapping[str | None, Mapping[str, str]], amounts: Mapping[str | None, float]
) -> dict[str, float]:
    """The amount of each value of one name."""
    sums: defaultdict[str, float] = defaultdict(float)
    for text in sorted(amounts, key=str):
        if name in cells[text]:
            sums[cells[text][name]] += amounts[text]
    return dict(sums)


def _is_skewed(served: Mapping[str, float], taken: Mapping[str, float]) -> bool:
    """Of the values that some row has: weights do nothing about the others."""
    met = {value: count for value, count in served.items() if taken.get(value)}
    counts = [(int(taken[value]), int(max(count - taken[value], 0))) for value, count in met.items()]
    return _apart(met, taken).low >= LEAST_PSI and independence(counts).p < CHANCE


def _apart(served: Mapping[str, float], taken: Mapping[str, float]) -> Distance:
    values = sorted({*served, *taken})
    return stability([served.get(value, 0) for value in values], [taken.get(value, 0) for value in values])


def _raked(
    cells: Mapping[str | None, Mapping[str, str]],
    served: Mapping[str, Mapping[str, float]],
    rows: Texts,
    skewed: Sequence[str],
) -> dict[str | None, float]:
    weights: dict[str | None, float] = dict.fromkeys(rows, 1.0)
    for _ in range(ROUNDS if len(skewed) > 1 else 1):
        for name in skewed:
            now = _margin(name, cells, {text: count * weights[text] for text, count in rows.items()})
            # A value that no row has stays without one: the others share what there is.
            total = sum(served[name].get(value, 0.0) for value in now)
            scale = sum(now.values()) / total if total else 0.0
            for text in rows:
                value = cells[text].get(name)
                if value is not None and scale:
                    weights[text] *= served[name].get(value, 0.0) * scale / now[value] if now[value] else 1.0
    return {text: min(max(weight, LEAST), MOST) for text, weight in weights.items()}


def _worth(weights: Mapping[str | None, float], rows: Texts) -> float:
    """What one unit of weight is worth in rows of equal weight that would be as sure (Kish, 1965)."""
    total = sum(count * weights[text] for text, count in rows.items())
    squares = sum(count * weights[text] ** 2 for text, count in rows.items())
    return total / squares if squares else 1.0
