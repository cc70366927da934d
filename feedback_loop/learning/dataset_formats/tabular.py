"""Inputs and what is true of them, for classifiers and regressions."""

from typing import TYPE_CHECKING, ClassVar

from feedback_loop.learning.dataset_formats._base import KEYS, DatasetFormat, Material, Unit

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from ibis.expr.types import BooleanValue


class Tabular(DatasetFormat):
    """One row an inference with a believed label: `inputs` and `label` as JSON text (3 and "3" differ), `target` as a
    number where it is one, what was answered, and where the label came from.
    """

    name: ClassVar[str] = "tabular"
    unit: ClassVar[Unit] = "label"
    trust: ClassVar[tuple[str, ...]] = ("review_label", "ground_truth", "explicit_label", "explicit_correction")
    reads: ClassVar[tuple[str, ...]] = trust

    def schema(self) -> "pa.Schema":
        """Inputs, label, target, and what is known beside them."""
        import pyarrow as pa

        return pa.schema(
            [
                ("inference_request_id", pa.string()),
                ("feedback_offset", pa.int64()),
                ("inference_offset", pa.int64()),
                ("inputs", pa.string()),
                ("inputs_ref", pa.string()),
                ("inputs_sha256", pa.string()),
                ("label", pa.string()),
                ("target", pa.float64()),
                ("answer_label", pa.string()),
                ("model_version", pa.string()),
                ("source_type", pa.string()),
                ("occurred_at", pa.timestamp("us", "UTC")),
            ]
        )

    def is_usable(self, told: "ibis.Table") -> "BooleanValue":
        """A label that is no list, or a number; and inputs, here or elsewhere."""
        is_label = (told.label.notnull() & ~told.label.startswith("[")).fill_null(False)
        is_number = (told.feedback_type == "ground_truth") & told.number.notnull()
        return (is_label | is_number) & told.has_inputs.fill_null(False)

    def examples(self, material: Material) -> "ibis.Table":
        """One row each."""
        import ibis

        told = material.chosen
        number = told.label.try_cast("float64")
        return told.select(
            *KEYS,
            "inference_request_id",
            "inputs",
            "inputs_ref",
            "label",
            "answer_label",
            "model_version",
            "occurred_at",
            target=ibis.coalesce(number, told.number),
            source_type=told.feedback_type,
        )
