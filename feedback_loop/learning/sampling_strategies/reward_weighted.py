"""Rather what was rewarded."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta, Struct

from feedback_loop.learning.sampling_strategies._by_size import BySize

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import FloatingValue


class RewardWeighted(BySize):
    """By exp(reward / temperature), rewards bounded to [-1, 1]. Without weights it leans to what was liked, as
    reward-weighted regression wants it; with weights it is unbiased. No reward counts as 0.
    """

    name: ClassVar[str] = "reward_weighted"
    reads: ClassVar[tuple[str, ...]] = ("reward",)

    class Options(Struct, frozen=True, forbid_unknown_fields=True):
        """The smaller the temperature, the more is liked preferred."""

        temperature: Annotated[float, Meta(ge=0.1, le=100)] = 1.0

    def size(self, candidates: "ibis.Table") -> "FloatingValue":
        """The exponential of the reward."""
        return (candidates.reward.fill_null(0.0).clip(-1.0, 1.0) / self.options.temperature).exp()
