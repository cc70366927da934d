"""Dawid-Skene: answers and each reviewer's confusions, estimated from one another until neither moves."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from feedback_loop.learning.agreement import Judgement
from feedback_loop.learning.consensus_methods._base import ConsensusMethod, Numbered, Record, numbered

if TYPE_CHECKING:
    import numpy as np

ROUNDS = 100
STILL = 1e-6
"""Below this no share of any item moves any more."""
UNSEEN = 0.01
"""What is added to every count of a confusion, so that what was never seen is not impossible."""


class DawidSkene(ConsensusMethod):
    """Expectation maximisation after Dawid and Skene (1979), from the majority's shares on: who errs, and how, is told
    from what the others say of the same items, so it needs some dozens of items and reviewers who share them.
    """

    name: ClassVar[str] = "dawid_skene"
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
    shares = told.votes()
    kinds = shares.shape[1]
    for _ in range(ROUNDS):
        confusion = np.full((reviewer.max() + 1, kinds, kinds), UNSEEN)
        np.add.at(confusion.transpose(0, 2, 1), (reviewer, answer), shares[item])
        confusion /= confusion.sum(axis=2, keepdims=True)
        likely = np.tile(np.log(shares.mean(axis=0)), (len(shares), 1))
        np.add.at(likely, item, np.log(confusion)[reviewer, :, answer])
        likely = np.exp(likely - likely.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        moved = float(np.abs(likely - shares).max())
        shares = likely
        if moved < STILL:
            break
    return shares
