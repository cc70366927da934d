"""What a sampling strategy is: candidates in, chosen ones out, and what each then stands for."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec
from msgspec import Struct

from feedback_loop.learning.collecting import collect_classes

if TYPE_CHECKING:
    import ibis

WEIGHT = "sampling_weight"


class Workbench(Protocol):
    """Where tables are worked out: expressions stay expressions until somebody must know."""

    def hold(self, table: "ibis.Table", name: str) -> "ibis.Table":
        """The rows of `table`, worked out once for whoever reads them again; one such table a name."""

    def rows(self, table: "ibis.Table") -> list[dict[str, Any]]:
        """The rows of a small table."""


class NoOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """A strategy that takes no options."""


class SamplingStrategy(ABC):
    """Chooses among candidates and says what each chosen one stands for, so that estimates stay honest.

    `is_unbiased` promises that sums weighted by WEIGHT expect the sums over all candidates, whatever is summed;
    the docstring says what the sample without weights leans to. `reads` are the columns it looks at.
    """

    name: ClassVar[str]
    is_unbiased: ClassVar[bool]
    reads: ClassVar[tuple[str, ...]] = ()
    Options: ClassVar[type[Struct]] = NoOptions

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options: Any = msgspec.convert(dict(options), self.Options)

    @abstractmethod
    def sampled(self, candidates: "ibis.Table", rows: int, seed: int, bench: Workbench) -> "ibis.Table":
        """At most `rows` (about as many, where it says so) of `candidates`, with the column WEIGHT.

        Each candidate has an `example` (unique), its `last_offset` in the log (unique), a `name` (text, the same for
        ever) and what `reads` asks for.
        """


@cache
def collect() -> Mapping[str, type[SamplingStrategy]]:
    """Every strategy by name: one file each in this folder, and those of installed packages."""
    return collect_classes("feedback_loop.learning.sampling_strategies", SamplingStrategy)  # type: ignore[type-abstract]
