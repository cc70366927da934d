"""A sample whose groups have the shares they have in all."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from msgspec import Struct

from feedback_loop.learning.sampling_strategies._by_stratum import ByStratum, equal_quotas, proportional_quotas

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import StringValue


class Stratified(ByStratum):
    """By `label`, `model_version` or `source_kind`: shares as they are, or `equal`. Proportional shares keep the plain
    mean; equal ones lean to rare groups, which the weights take back. Unbiased with weights.
    """

    name: ClassVar[str] = "stratified"
    reads: ClassVar[tuple[str, ...]] = ("label", "model_version", "source_kind")

    class Options(Struct, frozen=True, forbid_unknown_fields=True):
        """What makes a group, and how many of each are wanted."""

        by: Literal["label", "model_version", "source_kind"] = "label"
        shares: Literal["proportional", "equal"] = "proportional"

    def stratum(self, candidates: "ibis.Table") -> "StringValue":
        """The value of the column that `by` names."""
        return candidates[self.options.by]

    def quotas(self, counts: Mapping[Any, int], rows: int) -> dict[Any, int]:
        """As `shares` says."""
        return (proportional_quotas if self.options.shares == "proportional" else equal_quotas)(counts, rows)
