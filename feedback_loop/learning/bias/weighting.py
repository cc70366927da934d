"""Weighting by inverse propensity: what a figure would be, had everybody answered who was served."""

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import NamedTuple

from feedback_loop.learning.bias.cells import Cell

LEAST, MOST = 0.1, 10.0
"""No answer counts for less or for more, however rare answers like it are: one of them could be anything."""


class Estimate(NamedTuple):
    """A mean and its standard error."""

    value: float
    error: float


def propensities(cells: Iterable[Cell]) -> dict[str, float]:
    """How likely an inference is answered, by the value of its segment; values that nobody answered are left out."""
    return {cell.value: cell.answered / cell.served for cell in cells if cell.answered}


def response_weights(cells: Sequence[Cell]) -> dict[str, float]:
    """What an answer of each value weighs so that answers are spread as traffic is; 1 on the whole, within bounds."""
    served, answered = sum(cell.served for cell in cells), sum(cell.answered for cell in cells)
    if not answered:
        return {}
    overall = answered / served
    return {value: min(max(overall / share, LEAST), MOST) for value, share in propensities(cells).items()}


def raw(cells: Sequence[Cell]) -> Estimate | None:
    """The mean outcome of those who spoke; None where nobody did."""
    weight, good = sum(cell.weight for cell in cells), sum(cell.good for cell in cells)
    if weight <= 0:
        return None
    mean = good / weight
    return Estimate(mean, sqrt(max(mean * (1 - mean), 0.0) * sum(cell.squares for cell in cells)) / weight)


def reweighted(cells: Sequence[Cell]) -> Estimate | None:
    """The mean outcome of all who were served: each value by its share of traffic; None where nobody spoke.

    Values without a judgement are left out of both. The weights are not bounded here: it is no single answer that
    counts but the mean of a segment, and its error says how little it may rest on.
    """
    known = [cell for cell in cells if cell.weight > 0]
    served = sum(cell.served for cell in known)
    if not served:
        return None
    value = variance = 0.0
    for cell in known:
        share, mean = cell.served / served, cell.good / cell.weight
        value += share * mean
        variance += share**2 * max(mean * (1 - mean), 0.25 / cell.judged) * cell.squares / cell.weight**2
    return Estimate(value, sqrt(variance))


def by_name(cells: Iterable[Cell]) -> Mapping[str, list[Cell]]:
    """The cells of each segment name."""
    named: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.name:
            named.setdefault(cell.name, []).append(cell)
    return named
