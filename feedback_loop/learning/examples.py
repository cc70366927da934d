"""Examples: which feedback may be learnt from, and why another may not."""

from collections.abc import Mapping
from typing import Any

from feedback_loop.learning.datasets import GOLDEN


def why_not_example(feedback: Mapping[str, Any]) -> str | None:
    """Why a feedback row (ATTRIBUTED_SCHEMA) may not be learnt from; None where it may."""
    if feedback["state"] == "pending":
        return "its inference is not logged"
    if feedback["state"] == "orphaned":
        return "its inference was never logged"
    if feedback["state"] == "held":
        return "it breaks a rule that its project blocks"
    if feedback["state"] == "late":
        return "it came later than its metric waits"
    if feedback["state"] == "mismatched":
        return "it names another model version than the logged inference, or is older than it"
    if feedback["is_undone"]:
        return "it was undone"
    if feedback["feedback_type"] == "review_label" and GOLDEN in feedback["feedback_value"]:
        return "it is golden: models are judged by it"
    if not feedback["training_consent"]:
        return "no consent to training"
    if all(feedback[name] is None for name in ("label", "reward", "preferred")):
        return "it says nothing to learn from"
    return None
