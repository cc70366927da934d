"""Dawid-Skene: who errs, and how: each reviewer's confusions."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from feedback_loop.learning.consensus_methods._estimated import EstimatedMethod, Numbered

if TYPE_CHECKING:
    import numpy as np

UNSEEN = 0.01
"""What is added to every count of a confusion, so that what was never seen is not impossible."""


class DawidSkene(EstimatedMethod):
    """Expectation maximisation after Dawid and Skene (1979): a reviewer takes each answer for each other one now and
    then, more or less often.
    """

    name: ClassVar[str] = "dawid_skene"

    def rounds(self, told: Numbered) -> "Callable[[np.ndarray], np.ndarray]":
        """By each reviewer's confusions, and how common each answer is."""
        import numpy as np

        item, reviewer, answer = told.item, told.reviewer, told.answer

        def likely_of(shares: "np.ndarray") -> "np.ndarray":
            kinds = shares.shape[1]
            confusion = np.full((reviewer.max() + 1, kinds, kinds), UNSEEN)
            np.add.at(confusion.transpose(0, 2, 1), (reviewer, answer), shares[item])
            confusion /= confusion.sum(axis=2, keepdims=True)
            likely = np.tile(np.log(shares.mean(axis=0)), (len(shares), 1))
            np.add.at(likely, item, np.log(confusion)[reviewer, :, answer])
            return likely

        return likely_of
