"""Expectation maximisation: answers and what each reviewer is like, estimated from one another until neither moves."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from feedback_loop.learning.agreement import Judgement
from feedback_loop.learning.consensus_methods._base import ConsensusMethod, Record

if TYPE_CHECKING:
    import numpy as np

ROUNDS = 100
STILL = 1e-6
"""Below this no share of any item moves any more."""


class Numbered(NamedTuple):
    """Judgements as three equally long columns of numbers, and what the numbers of items and answers stand for."""

    item: "np.ndarray"
    reviewer: "np.ndarray"
    answer: "np.ndarray"
    items: Sequence[str]
    answers: Sequence[str]

    def named(self, shares: "np.ndarray") -> dict[str, dict[str, float]]:
        """Of a table of items (rows) and answers (columns) what belongs to answers that were given, by their names."""
        told: dict[str, dict[str, float]] = {name: {} for name in self.items}
        for item, answer in zip(self.item, self.answer, strict=True):
            told[self.items[item]][self.answers[answer]] = float(shares[item, answer])
        return told

    def votes(self) -> "np.ndarray":
        """The share of the judgements on each item (row) that gave each answer (column)."""
        import numpy as np

        shares = np.zeros((len(self.items), len(self.answers)))
        np.add.at(shares, (self.item, self.answer), 1.0)
        return shares / shares.sum(axis=1, keepdims=True)


def numbered(judgements: Sequence[Judgement]) -> Numbered:
    """For methods that reckon with all judgements at once."""
    import numpy as np

    columns = list(zip(*judgements, strict=True))
    names = [sorted(set(each)) for each in columns]
    numbers = [{name: n for n, name in enumerate(each)} for each in names]
    item, reviewer, answer = (np.array([of[name] for name in each]) for of, each in zip(numbers, columns, strict=True))
    return Numbered(item, reviewer, answer, names[0], names[2])


class EstimatedMethod(ConsensusMethod):
    """Begins with the majority's shares. Who errs is told from what the others say of the same items, so it needs some
    dozens of items and reviewers who share them.
    """

    learns_from_others: ClassVar[bool] = True

    @abstractmethod
    def rounds(self, told: Numbered) -> "Callable[[np.ndarray], np.ndarray]":
        """What makes of each answer's share (column) of each item (row) its new log-likelihood, but for a constant."""

    def shares(
        self, judgements: Sequence[Judgement], records: Mapping[str, Record]
    ) -> Mapping[str, Mapping[str, float]]:
        import numpy as np

        told = numbered(judgements)
        shares, likely_of = told.votes(), self.rounds(told)
        for _ in range(ROUNDS):
            likely = likely_of(shares)
            likely = np.exp(likely - likely.max(axis=1, keepdims=True))
            likely /= likely.sum(axis=1, keepdims=True)
            moved, shares = float(np.abs(likely - shares).max()), likely
            if moved < STILL:
                break
        return told.named(shares)
