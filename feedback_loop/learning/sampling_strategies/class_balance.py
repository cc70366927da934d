"""As many examples of each label as of any other."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.sampling_strategies._by_stratum import ByStratum, equal_quotas

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import StringValue


class ClassBalance(ByStratum):
    """Equal numbers of each label, as far as there are. Without weights it leans to rare labels, as a learner that is
    to know them wants it; with weights it is unbiased.
    """

    name: ClassVar[str] = "class_balance"
    reads: ClassVar[tuple[str, ...]] = ("label",)

    def stratum(self, candidates: "ibis.Table") -> "StringValue":
        """The label."""
        return candidates.label

    def quotas(self, counts: Mapping[Any, int], rows: int) -> dict[Any, int]:
        """Equal ones."""
        return equal_quotas(counts, rows)
