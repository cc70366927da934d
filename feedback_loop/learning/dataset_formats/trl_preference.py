"""Pairs for preference optimisation, as TRL's DPOTrainer reads them."""

from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.dataset_formats._base import (
    KEYS,
    DatasetFormat,
    Material,
    Unit,
    has,
    output_text,
    prompt_of,
)
from feedback_loop.learning.preferences import PAIR, RANKING, rejected_column

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa
    from ibis.expr.types import BooleanValue


class TrlPreference(DatasetFormat):
    """`prompt, chosen, rejected`: one row a preference that is no tie, one a ranking (its first over its last), and one
    a correction in words, which is preferred to what was answered.
    """

    name: ClassVar[str] = "trl_preference"
    unit: ClassVar[Unit] = "feedback"
    reads: ClassVar[tuple[str, ...]] = (PAIR, RANKING, "explicit_correction", "review_label")

    def schema(self) -> "pa.Schema":
        """Three texts."""
        import pyarrow as pa

        return pa.schema([("prompt", pa.string()), ("chosen", pa.string()), ("rejected", pa.string())])

    def is_usable(self, told: "ibis.Table") -> "BooleanValue":
        """Both sides have a text, and not the same."""
        chosen, rejected = sides(told)
        differ = (chosen != rejected).fill_null(False)
        return has(chosen) & has(rejected) & differ & ~told.tie.fill_null(False) & has(told.inputs)

    def examples(self, material: Material) -> "ibis.Table":
        """One row each."""
        told = material.chosen
        chosen, rejected = sides(told)
        return told.select(*KEYS, prompt=prompt_of(told, material.prompt), chosen=chosen, rejected=rejected)


def sides(told: "ibis.Table") -> tuple[Any, Any]:
    """The text that was preferred, and the one that was not."""
    import ibis

    is_pair = told.preferred.notnull()
    better = ibis.ifelse(is_pair, output_text(told, told.preferred), told.text)
    worse = ibis.ifelse(is_pair, output_text(told, rejected_column(told)), told.answer_text)
    return better, worse
