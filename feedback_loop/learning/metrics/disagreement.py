"""Disagreement: how often two who judged the same answer judged it differently."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.metrics._base import AmountColumns, Amounts, Metric
from feedback_loop.learning.metrics._votes import VOTING

if TYPE_CHECKING:
    import ibis


class Disagreement(Metric):
    """Of an answer that at least two judged, the share of the pairs among them that differ; the mean over such answers.

    Compared are labels with labels, thumbs and ratings (good from the middle of the scale) with each other, and
    preferences with preferences. It counts in the bucket of the inference. Where all answers were judged equally often
    it is the observed disagreement of Krippendorff's alpha.
    """

    name: ClassVar[str] = "disagreement"
    numerator: ClassVar[str] = "for each answer the share of pairs of judgements that differ, summed"
    denominator: ClassVar[str] = "answers that were judged at least twice"
    silence: ClassVar[str] = "nothing: whom nobody or one person judged, nobody contradicts"
    feedback_types: ClassVar[frozenset[str] | None] = VOTING

    def amounts(self, state: Mapping[str, Any], inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """Nothing by itself: judgements count together, as `contested` says."""
        return ()

    def columns(self, told: "ibis.Table") -> Sequence[AmountColumns]:
        """Nothing by itself."""
        return ()
