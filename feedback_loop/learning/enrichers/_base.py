"""What an enricher is: something more that is known of an inference, as a function and as an expression."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.collecting import collect_classes

if TYPE_CHECKING:
    import ibis


class Enricher(ABC):
    """Adds `columns` to a row of INFERENCE_SCHEMA, from that row alone; the two ways give equal values."""

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]

    @abstractmethod
    def enrich(self, inference: Mapping[str, Any]) -> dict[str, Any]:
        """The values of `columns` for one inference row."""

    @abstractmethod
    def expression(self, table: "ibis.Table") -> "ibis.Table":
        """`table` (INFERENCE_SCHEMA) with `columns` added, or replaced where it has them."""


@cache
def collect() -> Mapping[str, type[Enricher]]:
    """Every enricher by name: one file each in this folder, and those of installed packages."""
    return collect_classes("feedback_loop.learning.enrichers", Enricher)  # type: ignore[type-abstract]
