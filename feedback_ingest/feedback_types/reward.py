"""A reward from an environment or a program."""

from typing import ClassVar

import msgspec

from feedback_ingest.feedback_types._base import FeedbackValue, Number, Widget


class Reward(FeedbackValue):
    """A number that tells a policy how well it did; `terminal` ends an episode. It is kept on its own scale."""

    feedback_type = "reward"
    metric = "mean_reward"
    widget: ClassVar[Widget] = {"kind": "none"}
    examples = ({"reward": 1.0}, {"reward": -0.5, "terminal": True})
    counter_examples = ({}, {"reward": "1"})

    reward_: Number = msgspec.field(name="reward")
    terminal: bool = False

    def reward(self) -> float | None:
        return self.reward_
