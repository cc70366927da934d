"""A log of choices, for learning from what was not chosen too: off-policy estimates and contextual bandits."""

from typing import TYPE_CHECKING, ClassVar

from feedback_loop.learning.dataset_formats._base import KEYS, DatasetFormat, Material, Unit

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from ibis.expr.types import BooleanValue


class Bandit(DatasetFormat):
    """`context, action, reward, propensity`: one row an inference that logged how likely its answer was; its reward is
    the newest that speaks of it. With `silence` in the recipe, whoever got no feedback gets that reward.
    """

    name: ClassVar[str] = "bandit"
    unit: ClassVar[Unit] = "inference"
    reads: ClassVar[tuple[str, ...]] = (
        "reward", "implicit_click", "implicit_signal", "explicit_binary", "explicit_rating",
    )  # fmt: skip

    def schema(self) -> "pa.Schema":
        """The context as JSON text, the action's name, two numbers, and who chose."""
        import pyarrow as pa

        return pa.schema(
            [
                ("context", pa.string()),
                ("action", pa.string()),
                ("reward", pa.float64()),
                ("propensity", pa.float64()),
                ("model_version", pa.string()),
                ("occurred_at", pa.timestamp("us", "UTC")),
            ]
        )

    def is_usable(self, told: "ibis.Table") -> "BooleanValue":
        """A propensity and a reward, and where an item is named, it is the one that was chosen."""
        from feedback_loop.learning.sql_functions import member

        named = member(told.feedback_value, "/item_id")
        is_it = named.isnull() | (named == told.action) | told.action.isnull()
        return told.propensity.notnull() & told.has_inputs.fill_null(False) & told.reward.notnull() & is_it

    def examples(self, material: Material) -> "ibis.Table":
        """One row each."""
        told = material.chosen
        return told.select(*KEYS, "action", "reward", "propensity", "model_version", "occurred_at", context=told.inputs)
