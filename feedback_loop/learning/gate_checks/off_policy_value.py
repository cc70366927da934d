"""Off-policy value: where answers were tried at random, what the candidate would have earned beside who served."""

from typing import ClassVar

from feedback_loop.learning.gate_checks._base import Evidence, GateCheck, Limits, Outcome


class OffPolicyValue(GateCheck):
    """Fails where the candidate would surely have earned less; without overlap it has nothing to say, and says why."""

    name: ClassVar[str] = "off_policy_value"

    def judge(self, evidence: Evidence, limits: Limits) -> tuple[Outcome, str]:
        """By the doubly robust estimate's interval against what was earned."""
        judged = evidence.off_policy
        if judged is None:
            return "skipped", "no answer was logged with its propensity"
        if judged.refusal is not None or judged.dr is None or judged.on_policy is None:
            return "skipped", judged.refusal or "nothing to judge by"
        told = (
            f"would have earned {judged.dr.value:.4f} ({judged.dr.low:.4f} to {judged.dr.high:.4f}) a decision, "
            f"{judged.on_policy:.4f} were; effective sample size {judged.effective:.0f}"
        )
        return ("failed" if judged.dr.high < judged.on_policy else "passed"), told
