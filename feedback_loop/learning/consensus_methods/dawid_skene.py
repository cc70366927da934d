"""Dawid-Skene: answers and each reviewer's confusions, estimated from one another until neither moves."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from feedback_loop.learning.agreement import Judgement
from feedback_loop.learning.consensus_methods._base import ConsensusMethod, Record

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
        import numpy as np

        columns = zip(*judgements, strict=True)
        items, reviewers, answers = ({name: n for n, name in enumerate(sorted(set(each)))} for each in columns)
        item = np.array([items[each.item] for each in judgements])
        reviewer = np.array([reviewers[each.reviewer] for each in judgements])
        answer = np.array([answers[each.answer] for each in judgements])
        found = _estimate(item, reviewer, answer, len(answers))
        told: dict[str, dict[str, float]] = {name: {} for name in items}
        for each in judgements:
            told[each.item][each.answer] = float(found[items[each.item], answers[each.answer]])
        return told


def _estimate(item: "np.ndarray", reviewer: "np.ndarray", answer: "np.ndarray", kinds: int) -> "np.ndarray":
    """How probable each answer (column) is for each item (row), from judgements as three equally long columns."""
    import numpy as np

    shares = np.zeros((item.max() + 1, kinds))
    np.add.at(shares, (item, answer), 1.0)
    shares /= shares.sum(axis=1, keepdims=True)
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
