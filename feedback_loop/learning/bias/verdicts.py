"""Whether a model's feedback is biased, from what was counted of it: findings with a reason each, and the report."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from feedback_loop.learning.bias.cells import Cell, Tally
from feedback_loop.learning.bias.comparing import Z_999, independence, kolmogorov_smirnov, stability
from feedback_loop.learning.bias.positions import Shown
from feedback_loop.learning.bias.weighting import by_name, raw, response_weights, reweighted
from feedback_loop.learning.influence import Mean
from feedback_loop.learning.metrics._interval import interval

Kind = Literal["response", "negatives", "confidence", "disparity", "position"]

DETECTED, RESOLVED = "bias_detected", "bias_resolved"
LEAST_ANSWERED = 200
"""Answered inferences that a finding needs; 85 % of negatives out of 30 % of traffic show within so many."""

LEAST_NEGATIVES = 30
LEAST_CELL = 30
"""Judged inferences, or things shown, that a value needs to be compared with others."""

LEAST_PSI = 0.1
"""How far answers must at least be spread otherwise than traffic, at the lower end of the interval."""

LEAST_GAP = 0.1
"""The same of a difference of shares that is found: of negatives, of outcomes, of cumulated confidence."""

CHANCE = 0.001


class Finding(NamedTuple):
    """One way in which the feedback is biased, where, and a sentence that says so; `segment` is empty for all."""

    kind: Kind
    segment: str
    reason: str


class Report(NamedTuple):
    """What is known of one model's feedback; `findings` is empty where nothing is wrong or too little is known."""

    findings: tuple[Finding, ...]
    note: str
    served: int
    answered: int
    segments: tuple[dict[str, Any], ...]
    """One a segment name: how its values answer, how that moves the mean outcome, and the weights against it."""
    confidence: dict[str, float]
    positions: tuple[dict[str, Any], ...]
    liking: dict[str, float] | None


def judge(tally: Tally, positions: Sequence[Shown] = (), liking: Mean | None = None) -> Report:
    """Looks for each kind of bias; a reason names the figures it rests on."""
    whole = tally.whole
    named = by_name(tally.cells)
    is_enough = whole.answered >= LEAST_ANSWERED
    found = [finding for name in named for finding in _of_segment(name, named[name])] if is_enough else []
    gap = kolmogorov_smirnov(tally.served_by_confidence, tally.answered_by_confidence)
    if is_enough and gap.low >= LEAST_GAP:
        found.append(
            Finding(
                "confidence", "", f"answers come where the model is otherwise sure than on average (KS {gap.value:.2f})"
            )
        )
    found += _of_positions(positions)
    note = "" if is_enough else f"{whole.answered} of {LEAST_ANSWERED} answered inferences to judge by"
    return Report(
        tuple(found),
        note,
        whole.served,
        whole.answered,
        tuple(_segment_told(name, cells) for name, cells in sorted(named.items())),
        {"ks": gap.value, "low": gap.low, "high": gap.high},
        tuple(_position_told(each, positions) for each in positions),
        liking._asdict() if liking else None,
    )


def to_tell(report: Report, before: Mapping[str, Any] | None) -> str | None:
    """The kind of fact that a report is worth, given the body of the last such fact about the model; None for nothing.

    `bias_detected` where a finding is new, `bias_resolved` where the last one is gone.
    """
    told = {(each["kind"], each["segment"]) for each in (before or {}).get("findings", ())}
    found = {(each.kind, each.segment) for each in report.findings}
    if found - told:
        return DETECTED
    return RESOLVED if told and not found and not report.note else None


def fact_body(model_name: str, report: Report) -> dict[str, Any]:
    """What such a fact says."""
    return {
        "model_name": model_name,
        "findings": [each._asdict() for each in report.findings],
        "reasons": [each.reason for each in report.findings],
        "served": report.served,
        "answered": report.answered,
    }


def report_told(report: Report) -> dict[str, Any]:
    """The report as JSON values."""
    findings = [each._asdict() for each in report.findings]
    return {**report._asdict(), "is_biased": bool(findings), "findings": findings}


def _of_segment(name: str, cells: Sequence[Cell]) -> list[Finding]:
    found = []
    counts = [(cell.answered, cell.served - cell.answered) for cell in cells]
    apart = stability([cell.served for cell in cells], [cell.answered for cell in cells])
    if independence(counts).p < CHANCE and apart.low >= LEAST_PSI:
        most, least = (pick(cells, key=lambda cell: cell.answered / cell.served) for pick in (max, min))
        reason = (
            f"{name}: {_rate(most)} of {most.value} answer, {_rate(least)} of {least.value} (PSI {apart.value:.2f})"
        )
        found.append(Finding("response", f"{name}={most.value}", reason))
    return found + _negatives(name, cells) + _disparity(name, cells)


def _negatives(name: str, cells: Sequence[Cell]) -> list[Finding]:
    """Values that hold far more of the negatives than of the traffic."""
    negatives, served = sum(cell.negatives for cell in cells), sum(cell.served for cell in cells)
    if negatives < LEAST_NEGATIVES:
        return []
    found = []
    for cell in cells:
        low, _ = interval(cell.negatives, negatives, Z_999)
        share = cell.served / served
        if low >= share + LEAST_GAP:
            part = cell.negatives / negatives
            reason = f"{part:.0%} of negatives come from {name}={cell.value}, with {share:.0%} of traffic"
            found.append(Finding("negatives", f"{name}={cell.value}", reason))
    return found


def _disparity(name: str, cells: Sequence[Cell]) -> list[Finding]:
    """The best and the worst value where their outcomes differ beyond both intervals."""
    known = [cell for cell in cells if cell.judged >= LEAST_CELL]
    if len(known) < 2:
        return []
    best, worst = (pick(known, key=_outcome) for pick in (max, min))
    if _interval(best)[0] > _interval(worst)[1] and _outcome(best) - _outcome(worst) >= LEAST_GAP:
        reason = f"{name}: outcome {_outcome(best):.2f} for {best.value}, {_outcome(worst):.2f} for {worst.value}"
        return [Finding("disparity", f"{name}={worst.value}", reason)]
    return []


def _of_positions(positions: Sequence[Shown]) -> list[Finding]:
    known = [each for each in positions if each.shown >= LEAST_CELL]
    alike = independence([(each.clicked, each.shown - each.clicked) for each in known])
    if alike.p >= CHANCE:
        return []
    most, least = (pick(known, key=lambda each: each.clicked / each.shown) for pick in (max, min))
    reason = (
        f"position {most.position} is clicked {most.clicked / most.shown:.1%} of the times it is shown, "
        f"position {least.position} {least.clicked / least.shown:.1%}"
    )
    return [Finding("position", "", reason)]


def _segment_told(name: str, cells: Sequence[Cell]) -> dict[str, Any]:
    """What is known of one segment name, as JSON values."""
    apart = stability([cell.served for cell in cells], [cell.answered for cell in cells])
    alike = independence([(cell.answered, cell.served - cell.answered) for cell in cells])
    weights = response_weights(cells)
    spoken, all_served = raw(cells), reweighted(cells)
    return {
        "name": name,
        "psi": apart._asdict(),
        "chi_squared": alike._asdict(),
        "raw": spoken._asdict() if spoken else None,
        "reweighted": all_served._asdict() if all_served else None,
        "values": [_value_told(cell, weights.get(cell.value)) for cell in cells],
    }


def _value_told(cell: Cell, weight: float | None) -> dict[str, Any]:
    low, high = interval(cell.answered, cell.served)
    return {
        "value": cell.value,
        "served": cell.served,
        "answered": cell.answered,
        "response": {"value": cell.answered / cell.served, "low": low, "high": high},
        "negatives": cell.negatives,
        "outcome": _outcome(cell) if cell.judged else None,
        "weight": weight,
    }


def _position_told(shown: Shown, positions: Sequence[Shown]) -> dict[str, Any]:
    """`looked_at` is its share beside the best one: how likely it is seen, where the order follows no relevance."""
    low, high = interval(shown.clicked, shown.shown)
    share = shown.clicked / shown.shown
    best = max(each.clicked / each.shown for each in positions)
    told = {"value": share, "low": low, "high": high}
    return {**shown._asdict(), "share": told, "looked_at": share / best if best else None}


def _outcome(cell: Cell) -> float:
    return cell.good / cell.weight


def _interval(cell: Cell) -> tuple[float, float]:
    """Of the outcome, by the number of equal weights that would be as sure."""
    effective = cell.weight**2 / cell.squares
    return interval(_outcome(cell) * effective, effective, Z_999)


def _rate(cell: Cell) -> str:
    return f"{cell.answered / cell.served:.1%}"
