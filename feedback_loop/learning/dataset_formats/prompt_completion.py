"""Demonstrations for supervised fine-tuning, as TRL's SFTTrainer reads them."""

from typing import TYPE_CHECKING, ClassVar

from feedback_loop.learning.dataset_formats._base import KEYS, DatasetFormat, Material, Unit, has, prompt_of

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from ibis.expr.types import BooleanValue, StringValue


class PromptCompletion(DatasetFormat):
    """`prompt, completion`: one row an inference, with what it should have answered in the words of the most trusted;
    an answer with a thumb up stands for itself.
    """

    name: ClassVar[str] = "prompt_completion"
    unit: ClassVar[Unit] = "label"
    trust: ClassVar[tuple[str, ...]] = ("review_label", "ground_truth", "explicit_correction", "explicit_binary")
    reads: ClassVar[tuple[str, ...]] = trust

    def schema(self) -> "pa.Schema":
        """Two texts."""
        import pyarrow as pa

        return pa.schema([("prompt", pa.string()), ("completion", pa.string())])

    def is_usable(self, told: "ibis.Table") -> "BooleanValue":
        """There is a text to learn."""
        return has(_completion(told)) & has(told.inputs)

    def examples(self, material: Material) -> "ibis.Table":
        """One row each."""
        told = material.chosen
        return told.select(*KEYS, prompt=prompt_of(told, material.prompt), completion=_completion(told))


def _completion(told: "ibis.Table") -> "StringValue":
    import ibis

    is_liked = (told.feedback_type == "explicit_binary") & (told.reward > 0)
    return ibis.coalesce(told.text, ibis.ifelse(is_liked, told.answer_text, ibis.null("string")))
