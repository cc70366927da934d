"""MACE: answers and how often each reviewer merely clicks, estimated from one another until neither moves."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from feedback_loop.learning.agreement import Judgement
from feedback_loop.learning.consensus_methods._base import ConsensusMethod, Numbered, Record, numbered

if TYPE_CHECKING:
    import numpy as np

ROUNDS = 100
STILL = 1e-6
"""Below this no share of any item moves any more."""
UNSEEN = 0.5
"""What is added to every count, so that nobody is beyond belief, or beyond doubt, after a few items."""


class Mace(ConsensusMethod):
    """Expectation maximisation after Hovy et al. (2013), from the majority's shares on: a reviewer either knows the
    answer, or picks one by a habit of their own. Where some click blindly it needs fewer items than `dawid_skene`,
    which learns every confusion of every reviewer.
    """

    name: ClassVar[str] = "mace"
    learns_from_others: ClassVar[bool] = True

    def shares(
        self, judgements: Sequence[Judgement], records: Mapping[str, Record]
    ) -> Mapping[str, Mapping[str, float]]:
        told = numbered(judgements)
        return told.named(_estimate(told))


def _estimate(told: Numbered) -> "np.ndarray":
    """How probable each answer (column) is for each item (row)."""
    import numpy as np

    item, reviewer, answer = told.item, told.reviewer, told.answer
    shares, counts = told.votes(), np.bincount(reviewer)
    knows, habit = np.full(len(counts), 0.5), np.full((len(counts), shares.shape[1]), 1 / shares.shape[1])
    for _ in range(ROUNDS):
        picked = (1 - knows[reviewer]) * habit[reviewer, answer]
        known = shares[item, answer] * knows[reviewer] / (knows[reviewer] + picked)
        knows = (np.bincount(reviewer, known) + UNSEEN) / (counts + 2 * UNSEEN)
        habit = np.full_like(habit, UNSEEN)
        np.add.at(habit, (reviewer, answer), 1 - known)
        habit /= habit.sum(axis=1, keepdims=True)
        picked = (1 - knows[reviewer]) * habit[reviewer, answer]
        # Of one judgement every answer but its own is as likely: what its own has over them is all that counts.
        likely = np.zeros_like(shares)
        np.add.at(likely, (item, answer), np.log1p(knows[reviewer] / picked))
        likely = np.exp(likely - likely.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        moved = float(np.abs(likely - shares).max())
        shares = likely
        if moved < STILL:
            break
    return shares
