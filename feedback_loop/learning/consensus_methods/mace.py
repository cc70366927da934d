"""MACE: who knows, and who merely clicks."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from feedback_loop.learning.consensus_methods._estimated import EstimatedMethod, Numbered

if TYPE_CHECKING:
    import numpy as np

UNSEEN = 0.5
"""What is added to every count, so that nobody is beyond belief, or beyond doubt, after a few items."""


class Mace(EstimatedMethod):
    """Expectation maximisation after Hovy et al. (2013): a reviewer either knows the answer, or picks one by a habit of
    their own. Where some click blindly it needs fewer items than `dawid_skene`, which learns every confusion.
    """

    name: ClassVar[str] = "mace"

    def rounds(self, told: Numbered) -> "Callable[[np.ndarray], np.ndarray]":
        """By how often each reviewer knows, and what they pick otherwise."""
        import numpy as np

        item, reviewer, answer = told.item, told.reviewer, told.answer
        counts, kinds = np.bincount(reviewer), len(told.answers)
        knows, habit = np.full(len(counts), 0.5), np.full((len(counts), kinds), 1 / kinds)

        def likely_of(shares: "np.ndarray") -> "np.ndarray":
            picked = (1 - knows[reviewer]) * habit[reviewer, answer]
            known = shares[item, answer] * knows[reviewer] / (knows[reviewer] + picked)
            knows[:] = (np.bincount(reviewer, known) + UNSEEN) / (counts + 2 * UNSEEN)
            habit[:] = UNSEEN
            np.add.at(habit, (reviewer, answer), 1 - known)
            habit[:] /= habit.sum(axis=1, keepdims=True)
            picked = (1 - knows[reviewer]) * habit[reviewer, answer]
            # Of one judgement every answer but its own is as likely: what its own has over them is all that counts.
            likely = np.zeros_like(shares)
            np.add.at(likely, (item, answer), np.log1p(knows[reviewer] / picked))
            return likely

        return likely_of
