"""How good an answer is, as the reward model has it that was in force when the answer was given."""

from collections.abc import Mapping
from typing import Any, ClassVar

from feedback_loop.learning.enrichers._base import JudgingEnricher
from feedback_loop.learning.judges import Judge, prompt_in


class RewardScore(JudgingEnricher):
    """reward_score (0 to 1): the chance that the answer is preferred to one as good as those the reward model learnt
    from; beside it that model's version. Null where the answer is no text, or the model cannot be read.
    """

    name: ClassVar[str] = "reward_score"
    columns: ClassVar[Mapping[str, str]] = {"reward_score": "float64", "reward_model_version": "string"}

    def enrich(self, inference: Mapping[str, Any], judge: Judge) -> dict[str, Any]:
        """The score of one inference row, and who gives it."""
        answer, inputs = inference["answer_text"], inference["inputs"]
        if judge.model is None or answer is None or inputs is None:
            return dict.fromkeys(self.columns)
        score = judge.model.chance(prompt_in(inputs), answer)
        return {"reward_score": score, "reward_model_version": judge.reward_model_version}
