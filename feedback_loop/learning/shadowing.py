"""Shadows: when a version that only answers beside the champion has shown enough to take its place, or to be let go."""

from collections.abc import Sequence
from math import comb
from typing import Literal, NamedTuple

FEWEST = 50
"""Labelled answers of both that it takes to promote."""
MOST = 2_000
"""After so many a shadow that is not surely better is let go."""
SURE = 20.0
"""So much evidence is by chance alone in one of twenty shadows, however often one looks."""


class Pair(NamedTuple):
    """One inference that both answered and whose right answer is known."""

    is_shadow_right: bool
    is_champion_right: bool


class Seen(NamedTuple):
    """What becomes of a shadow, and why."""

    outcome: Literal["promote", "wait", "end"]
    reason: str


def judge(pairs: Sequence[Pair]) -> Seen:
    """By the answers in which the two differ in being right: as many for each are what chance would have it."""
    wins, losses = (
        sum(pair == Pair(ours, not ours) for pair in pairs) for ours in (True, False)
    )  # fmt: skip
    told = f"of {len(pairs)} labelled answers it alone was right on {wins}, the champion alone on {losses}"
    is_sure = evidence(wins, losses) >= SURE
    if is_sure and wins < losses:
        return Seen("end", f"surely worse: {told}")
    if is_sure and len(pairs) >= FEWEST:
        return Seen("promote", f"surely better: {told}")
    if len(pairs) >= MOST:
        return Seen("end", f"not better: {told}")
    return Seen("wait", f"not sure yet: {told}")


def evidence(wins: int, losses: int) -> float:
    """How much it holds against wins and losses being a coin's: a bet on all shares of wins alike, which a fair coin
    lets grow beyond 1/alpha with a probability of at most alpha, ever (Ville's inequality).
    """
    count = wins + losses
    return float(2**count / ((count + 1) * comb(count, wins)))
