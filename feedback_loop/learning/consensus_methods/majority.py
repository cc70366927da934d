"""Majority: every reviewer has one vote."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import ClassVar

from feedback_loop.learning.agreement import Judgement
from feedback_loop.learning.consensus_methods._base import ConsensusMethod, Record


class Majority(ConsensusMethod):
    """The answer that most reviewers gave. It looks at one item alone, and believes all reviewers alike."""

    name: ClassVar[str] = "majority"

    def shares(
        self, judgements: Sequence[Judgement], records: Mapping[str, Record]
    ) -> Mapping[str, Mapping[str, float]]:
        votes: dict[str, Counter[str]] = defaultdict(Counter)
        for item, _, answer in judgements:
            votes[item][answer] += 1
        return {item: {answer: n / given.total() for answer, n in given.items()} for item, given in votes.items()}
