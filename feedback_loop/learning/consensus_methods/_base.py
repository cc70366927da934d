"""What a consensus method is: judgements in, for each item an answer with how sure it is, or why it stays open."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import ClassVar, NamedTuple

from feedback_loop.learning.agreement import Judgement, pairwise_agreement
from feedback_loop.learning.collecting import collect_classes


class Record(NamedTuple):
    """How a reviewer did on items whose answer was known: how many there were, and how many were right."""

    asked: int = 0
    right: int = 0

    @property
    def reliability(self) -> float:
        """The share that is right, 0 to 1, as if five more had been asked and four of them answered rightly."""
        return (self.right + 4) / (self.asked + 5)


class Consensus(NamedTuple):
    """What was found for one item: its answer, or None where it stays open; `reason` says how it came about.

    `share` (0 to 1) is how much speaks for the best answer, `agreement` the share of its pairs of judgements that are
    equal (None for a single one).
    """

    answer: str | None
    share: float
    agreement: float | None
    reason: str


class ConsensusMethod(ABC):
    """Adjudicates all items at once: what a reviewer says of one tells how far to believe the others."""

    name: ClassVar[str]
    learns_from_others: ClassVar[bool] = False
    """Whether the judgements of other items change what it finds for one."""
    uses_records: ClassVar[bool] = False
    """Whether it asks how reviewers did on gold items."""

    @abstractmethod
    def shares(
        self, judgements: Sequence[Judgement], records: Mapping[str, Record]
    ) -> Mapping[str, Mapping[str, float]]:
        """By item how much speaks for each answer that was given to it, 0 to 1; there is at least one judgement."""

    def decide(
        self, judgements: Iterable[Judgement], records: Mapping[str, Record], more_than: float = 0.5
    ) -> dict[str, Consensus]:
        """Each item's consensus: the best answer where more than the share `more_than` speaks for it."""
        given = sorted(judgements)
        answers: dict[str, list[str]] = defaultdict(list)
        for judgement in given:
            answers[judgement.item].append(judgement.answer)
        return {
            item: self._decided(found, pairwise_agreement(answers[item]), more_than)
            for item, found in (self.shares(given, records) if given else {}).items()
        }

    def _decided(self, shares: Mapping[str, float], agreement: float | None, more_than: float) -> Consensus:
        best = max(sorted(shares), key=lambda answer: shares[answer])
        share = min(shares[best], 1.0)
        is_tied = any(shares[other] == shares[best] for other in shares if other != best)
        told = f"{self.name}: a share of {share:.3f} for the best answer"
        if is_tied:
            return Consensus(None, share, agreement, f"{told}, as for another one")
        if share <= more_than:
            return Consensus(None, share, agreement, f"{told}, which needs more than {more_than:.3f}")
        return Consensus(best, share, agreement, told)


@cache
def collect() -> Mapping[str, type[ConsensusMethod]]:
    """Every consensus method by name: one file each here, and those of installed packages."""
    return collect_classes("feedback_loop.learning.consensus_methods", ConsensusMethod)  # type: ignore[type-abstract]
