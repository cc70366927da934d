"""Pairs for a reward model, as TRL's RewardTrainer reads them: how much better the one side is counts too."""

from typing import TYPE_CHECKING, ClassVar

from feedback_loop.learning.dataset_formats._base import KEYS, DatasetFormat, Material, Unit, prompt_of
from feedback_loop.learning.dataset_formats.trl_preference import TrlPreference, sides
from feedback_loop.learning.preferences import PAIR, RANKING

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from ibis.expr.types import BooleanValue


class RewardModel(DatasetFormat):
    """`prompt, chosen, rejected, margin`: one row a preference that is no tie; `margin` is the strength that was
    stated, else 1.
    """

    name: ClassVar[str] = "reward_model"
    unit: ClassVar[Unit] = "feedback"
    reads: ClassVar[tuple[str, ...]] = (PAIR, RANKING)

    def schema(self) -> "pa.Schema":
        """Three texts and a number."""
        import pyarrow as pa

        return TrlPreference().schema().append(pa.field("margin", pa.float64()))

    def is_usable(self, told: "ibis.Table") -> "BooleanValue":
        """As of a preference."""
        return TrlPreference().is_usable(told)

    def examples(self, material: Material) -> "ibis.Table":
        """One row each."""
        from feedback_loop.learning.sql_functions import member

        told = material.chosen
        chosen, rejected = sides(told)
        margin = member(told.feedback_value, "/strength").cast("float64").fill_null(1.0)
        prompt = prompt_of(told, material.prompt)
        return told.select(*KEYS, prompt=prompt, chosen=chosen, rejected=rejected, margin=margin)
