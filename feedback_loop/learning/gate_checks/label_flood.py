"""Label flood: the newest labels say that most answers are wrong, though nothing else changed; do not learn from that.

A real drift moves the inputs too, or shows in labels that no crowd of users makes (reviewers, ground truth of a
system). Where it truly is neither, a person promotes by hand.
"""

from typing import ClassVar

from feedback_loop.learning.gate_checks._base import Answered, Evidence, GateCheck, Limits, Outcome

LEAST = 30


class LabelFlood(GateCheck):
    """Fails where end users suddenly contradict the champion on inputs of the same kind as before."""

    name: ClassVar[str] = "label_flood"

    def judge(self, evidence: Evidence, limits: Limits) -> tuple[Outcome, str]:
        """By the share of end users' labels that contradict the champion, among recent and earlier golden rows."""
        told = [(place < evidence.recent, row) for place, row in enumerate(evidence.golden)]
        recent, earlier = (
            [row for is_recent, row in told if is_recent == wanted and row.source_kind == "end_user"]
            for wanted in (True, False)
        )
        if min(len(recent), len(earlier)) < LEAST:
            return "skipped", f"{len(recent)} recent and {len(earlier)} earlier labels of end users, it takes {LEAST}"
        now, before = _contradicted(recent), _contradicted(earlier)
        figures = f"{now:.0%} of the newest {len(recent)} labels of end users contradict the champion, {before:.0%}"
        if evidence.have_inputs_moved:
            return "passed", f"{figures} of those before; the inputs moved as well"
        if now >= limits.flood_share and now - before >= limits.flood_jump:
            return "failed", f"a flood of inverted labels: {figures} of those before, on inputs as they were"
        return "passed", f"{figures} of those before"


def _contradicted(rows: list[Answered]) -> float:
    return sum(not row.is_champion_right for row in rows) / len(rows)
