"""Demands: what a project asks of feedback beyond its shape, by place in the log, and which feedback is held for it.

The partitions are judged by the same breaches (`consistency`), which set rows aside; here one feedback at a time.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

from feedback_ingest.decisions import METRIC_REGISTERED, POLICY_SET
from feedback_ingest.log import LogRow
from feedback_loop.learning.consistency import BREACHES, Ranges, ranges_of
from feedback_loop.learning.policies import placed
from feedback_loop.learning.policies.validation import ValidationPolicy

KINDS = (POLICY_SET, METRIC_REGISTERED)
"""The facts that tell what is demanded."""

Row = Mapping[str, Any]


class Demand(NamedTuple):
    """What a project demands of what is logged after `log_offset`, until it demands something else."""

    log_offset: int
    policy: ValidationPolicy
    ranges: Ranges


FIRST = Demand(0, ValidationPolicy(), {})
offset_of = itemgetter(0)


class Demands:
    """What every project has demanded so far; one that has said nothing demands what the policy has by default."""

    def __init__(self) -> None:
        self._known: dict[int, list[Demand]] = {}

    def place(self, fact: LogRow) -> None:
        """Takes in a fact of one of KINDS, in the order of the log; one that is known already changes nothing."""
        mine = self._known.get(fact.project_id, [FIRST])
        if fact.log_offset <= mine[-1].log_offset:
            return
        _, policy, ranges = mine[-1]
        if fact.kind == METRIC_REGISTERED:
            named = fact.project_id, fact.body["subject"]
            ranges = {name: each for name, each in ranges.items() if name != named}
            ranges = {**ranges, **ranges_of([fact])}
        else:
            said = placed([fact], ValidationPolicy).get(fact.project_id)
            policy = said[0].policy if said else policy
        if (policy, ranges) != mine[-1][1:]:
            self._known[fact.project_id] = [*mine, Demand(fact.log_offset, policy, ranges)]

    def holds(self, feedback: Row, inference: Row | None, upto_offset: int) -> bool:
        """Whether a feedback is held, as the log says up to an offset.

        It is while it breaks a rule that has been set to `block`, and was broken by it, from before the feedback on:
        what is allowed later lets it in, and what is forbidden later does not reach back.
        """
        mine = self._known.get(feedback["project_id"])
        if mine is None:
            return any(BREACHES[name](feedback, inference, {}) for name in _blocking(FIRST.policy))
        since = _since(mine, feedback["log_offset"], upto_offset)
        return any(
            all(name in _blocking(each.policy) and BREACHES[name](feedback, inference, each.ranges) for each in since)
            for name in _blocking(since[0].policy)
        )


def _since(demands: Sequence[Demand], log_offset: int, upto_offset: int) -> Sequence[Demand]:
    """Those in force from an event on, up to another one."""
    first = bisect_left(demands, log_offset, key=offset_of) - 1
    return demands[first : max(bisect_left(demands, upto_offset + 1, key=offset_of), first + 1)]


@cache
def _blocking(policy: ValidationPolicy) -> tuple[str, ...]:
    """The rules that the policy sets to `block`."""
    return tuple(name for name in BREACHES if getattr(policy, name) == "block")
