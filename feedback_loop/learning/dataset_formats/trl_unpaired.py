"""Single answers that were liked or not, as TRL's KTOTrainer reads them."""

from typing import TYPE_CHECKING, ClassVar

from feedback_loop.learning.dataset_formats._base import KEYS, DatasetFormat, Material, Unit, has, prompt_of

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from ibis.expr.types import BooleanValue

LIKED = 0.5


class TrlUnpaired(DatasetFormat):
    """`prompt, completion, label`: one row a thumb or rating; the label says whether it was liked. A rating in the very
    middle says nothing.
    """

    name: ClassVar[str] = "trl_unpaired"
    unit: ClassVar[Unit] = "feedback"
    reads: ClassVar[tuple[str, ...]] = ("explicit_binary", "explicit_rating")

    def schema(self) -> "pa.Schema":
        """Two texts and a boolean."""
        import pyarrow as pa

        return pa.schema([("prompt", pa.string()), ("completion", pa.string()), ("label", pa.bool_())])

    def is_usable(self, told: "ibis.Table") -> "BooleanValue":
        """The answer is a text and was liked or not."""
        return has(told.answer_text) & has(told.inputs) & (told.reward != LIKED).fill_null(False)

    def examples(self, material: Material) -> "ibis.Table":
        """One row each."""
        told = material.chosen
        prompt = prompt_of(told, material.prompt)
        return told.select(*KEYS, prompt=prompt, completion=told.answer_text, label=told.reward > LIKED)
