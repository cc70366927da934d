"""Steps of episodes, for reinforcement learning: what was seen, done and earned, and what was seen then."""

from typing import TYPE_CHECKING, ClassVar

from feedback_loop.learning.dataset_formats._base import KEYS, DatasetFormat, Material, Unit

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from ibis.expr.types import BooleanValue


class Transitions(DatasetFormat):
    """`episode_id, step, state, action, reward, next_state, terminated, truncated`: one row a step with a reward. Where
    the next step is not known the episode is `truncated` there, unless the reward said that it ended.
    """

    name: ClassVar[str] = "transitions"
    unit: ClassVar[Unit] = "inference"
    reads: ClassVar[tuple[str, ...]] = ("reward", "implicit_signal", "explicit_binary", "explicit_rating")

    def schema(self) -> "pa.Schema":
        """States as JSON text."""
        import pyarrow as pa

        return pa.schema(
            [
                ("episode_id", pa.string()),
                ("step", pa.int64()),
                ("state", pa.string()),
                ("action", pa.string()),
                ("reward", pa.float64()),
                ("next_state", pa.string()),
                ("terminated", pa.bool_()),
                ("truncated", pa.bool_()),
            ]
        )

    def is_usable(self, told: "ibis.Table") -> "BooleanValue":
        """A reward at a step of an episode, and a state."""
        is_step = told.episode_id.notnull() & told.step.notnull()
        return is_step & told.reward.notnull() & told.has_inputs.fill_null(False)

    def examples(self, material: Material) -> "ibis.Table":
        """One row each; the next state is that of the next step, whether or not it is an example itself."""
        import ibis

        from feedback_loop.learning.sql_functions import member

        told, said, asked = material.chosen, material.said, material.asked
        after = said.group_by(["episode_id", "step"]).agg(next_offset=said.inference_offset.min())
        after = after.select(next_episode=after.episode_id, next_step=after.step, next_offset=after.next_offset)
        seen = asked.select(seen_offset=asked.log_offset, next_state=asked.inputs)
        steps = told.left_join(after, [told.episode_id == after.next_episode, told.step + 1 == after.next_step])
        steps = steps.left_join(seen, steps.next_offset == seen.seen_offset)
        ended = (member(steps.feedback_value, "/terminal") == "true").fill_null(False)
        return steps.select(
            *KEYS,
            "episode_id",
            "step",
            "action",
            "reward",
            state=steps.inputs,
            next_state=ibis.ifelse(ended, ibis.null("string"), steps.next_state),
            terminated=ended,
            truncated=~ended & steps.next_state.isnull(),
        )
