"""Weighted votes: who was right more often where the answer is known has more to say."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import log
from typing import ClassVar

from feedback_loop.learning.agreement import Judgement
from feedback_loop.learning.consensus_methods._base import ConsensusMethod, Record


class Weighted(ConsensusMethod):
    """A vote weighs the log-odds of its reviewer's reliability on gold items, and nothing where that is no better than
    a coin's. Reviewers who answered no gold item weigh alike.
    """

    name: ClassVar[str] = "weighted"
    uses_records: ClassVar[bool] = True

    def shares(
        self, judgements: Sequence[Judgement], records: Mapping[str, Record]
    ) -> Mapping[str, Mapping[str, float]]:
        votes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for item, reviewer, answer in judgements:
            votes[item][answer] += weight(records.get(reviewer, Record()))
        return {item: _of_one(given) for item, given in votes.items()}


def weight(record: Record) -> float:
    """What a reviewer's vote weighs."""
    return max(0.0, log(record.reliability / (1 - record.reliability)))


def _of_one(votes: Mapping[str, float]) -> dict[str, float]:
    total = sum(votes.values())
    return {answer: each / total if total else 0.0 for answer, each in votes.items()}
