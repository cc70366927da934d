"""How sure the model was of its answer: confidence, entropy and margin."""

from collections.abc import Mapping
from math import log
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.enrichers._base import Enricher

if TYPE_CHECKING:
    import ibis


class AnswerUncertainty(Enricher):
    """entropy (nats, 6 places) of the probabilities and margin between the two highest; null where they are not known.

    confidence is the inference's own: the highest probability, else its score, else what the record states.
    """

    name: ClassVar[str] = "answer_uncertainty"
    columns: ClassVar[tuple[str, ...]] = ("confidence", "entropy", "margin")

    def enrich(self, inference: Mapping[str, Any]) -> dict[str, Any]:
        """confidence, entropy and margin of one inference row."""
        probabilities = inference["probabilities"]
        entropy = margin = None
        if probabilities:
            # Rounded, because the last bit of a sum of logarithms is not the same on every engine.
            entropy = round(0.0 - sum(p * log(p) for p in probabilities if p > 0), 6)
        if probabilities and len(probabilities) > 1:
            *_, second, first = sorted(probabilities)
            margin = first - second
        return {"confidence": inference["confidence"], "entropy": entropy, "margin": margin}

    def expression(self, table: "ibis.Table") -> "ibis.Table":
        """The same of every row."""
        import ibis

        probabilities = table.probabilities
        ordered, count = probabilities.sort(), probabilities.length()
        terms = probabilities.filter(lambda p: p > 0).map(lambda p: p * p.ln())
        entropy = (0.0 - terms.sums().fill_null(0.0)).round(6)
        missing = ibis.null("float64")
        return table.mutate(
            entropy=ibis.ifelse(count > 0, entropy, missing),
            margin=ibis.ifelse(count > 1, ordered[count - 1] - ordered[count - 2], missing),
        )
