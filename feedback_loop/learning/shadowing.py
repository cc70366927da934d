"""Shadows: when a version that only answers beside the champion has shown enough to take its place, or to be let go."""

from collections.abc import Sequence
from math import comb
from typing import Literal, NamedTuple

from feedback_loop.learning.metrics import interval_of_share

FEWEST = 50
"""Labelled answers of both that it takes to promote."""
MOST = 2_000
"""After so many a shadow that is not surely better is let go."""
SURE = 20.0
"""So much evidence is by chance alone in one of twenty shadows, however often one looks."""
TOLD = 1_000_000
"""What a bet on a thousand differences can win is no number that a float holds; more than this is not told."""


class Pair(NamedTuple):
    """One inference that both answered and whose right answer is known."""

    is_shadow_right: bool
    is_champion_right: bool


class Compared(NamedTuple):
    """How two did on the same labelled answers: how often each was right, and how often it alone."""

    samples: int
    shadow_right: int
    champion_right: int
    shadow_alone: int
    champion_alone: int

    @property
    def evidence(self) -> float:
        """How much holds against the two being equally good; see `evidence`."""
        return evidence(self.shadow_alone, self.champion_alone)


class Share(NamedTuple):
    """How often one was right, with the 95 % interval of its share; None where there is nothing to judge by."""

    right: int
    share: float | None
    low: float | None
    high: float | None


class Seen(NamedTuple):
    """What becomes of a shadow, and why."""

    outcome: Literal["promote", "wait", "end"]
    reason: str


def compare(pairs: Sequence[Pair]) -> Compared:
    """Counts what the two got right."""
    return Compared(
        len(pairs),
        sum(pair.is_shadow_right for pair in pairs),
        sum(pair.is_champion_right for pair in pairs),
        sum(pair == Pair(True, False) for pair in pairs),
        sum(pair == Pair(False, True) for pair in pairs),
    )


def judge(found: Compared) -> Seen:
    """By the answers in which the two differ in being right: as many for each are what chance would have it."""
    wins, losses = found.shadow_alone, found.champion_alone
    told = f"of {found.samples} labelled answers it alone was right on {wins}, the champion alone on {losses}"
    is_sure = found.evidence >= SURE
    if is_sure and wins < losses:
        return Seen("end", f"surely worse: {told}")
    if is_sure and found.samples >= FEWEST:
        return Seen("promote", f"surely better: {told}")
    if found.samples >= MOST:
        return Seen("end", f"not better: {told}")
    return Seen("wait", f"not sure yet: {told}")


def share(right: int, samples: int) -> Share:
    """The share right of so many labelled answers."""
    return Share(right, right / samples, *interval_of_share(right, samples)) if samples else Share(0, None, None, None)


def evidence(wins: int, losses: int) -> float:
    """How much it holds against wins and losses being a coin's: a bet on all shares of wins alike, which a fair coin
    lets grow beyond 1/alpha with a probability of at most alpha, ever (Ville's inequality). It is told up to TOLD.
    """
    count = wins + losses
    won, staked = 2**count, (count + 1) * comb(count, wins)
    return min(won, TOLD * staked) / staked
