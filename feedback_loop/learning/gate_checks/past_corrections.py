"""Past corrections as regression cases: what people set right once must not go wrong again."""

from typing import ClassVar

from feedback_loop.learning.gate_checks._base import Evidence, GateCheck, Limits, Outcome

NAMED = 5


class PastCorrections(GateCheck):
    """Fails where the candidate gets more of them wrong, that the champion has right, than are new ones right.

    Only corrections from before the champion was promoted count: later ones are what the candidate was trained for,
    and a flood of false ones would speak for the model that learnt them.
    """

    name: ClassVar[str] = "past_corrections"

    def judge(self, evidence: Evidence, limits: Limits) -> tuple[Outcome, str]:
        """By the share that the candidate loses on balance."""
        cases = evidence.corrections
        if len(cases) < limits.corrections:
            return "skipped", f"{len(cases)} of {limits.corrections} past corrections to judge by"
        lost = [case for case in cases if case.is_champion_right and not case.is_candidate_right]
        won = sum(case.is_candidate_right and not case.is_champion_right for case in cases)
        right = sum(case.is_candidate_right for case in cases)
        if len(lost) - won > limits.regression * len(cases):
            named = ", ".join(case.name for case in lost[:NAMED])
            return "failed", (
                f"fails past corrections: {len(lost)} of {len(cases)} that the champion has right, among them {named}"
            )
        return "passed", f"{right} of {len(cases)} past corrections right"
