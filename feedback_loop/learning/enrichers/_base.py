"""What an enricher is: something more that is known of a feedback, as a function and as an expression.

An `Enricher` looks at the inference alone, a `SampleEnricher` also at what its version was trained on; both drivers ask
them. A `HistoryEnricher` looks at the feedback that came before; only the graph has that at hand. A `JudgingEnricher`
asks a reward model, which is one function for both.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from feedback_loop.learning.collecting import collect_classes
from feedback_loop.learning.familiarity import Sample
from feedback_loop.learning.judges import Judge

if TYPE_CHECKING:
    import ibis

PACKAGE = "feedback_loop.learning.enrichers"

Row = Mapping[str, Any]


class Enricher(ABC):
    """Adds `columns` to a row of INFERENCE_SCHEMA, from that row alone; the two ways give equal values.

    A column that is not known is null; an enricher none of whose columns are known is `missing` for that row, save one
    that is not due: many an inference has nothing for it to look at.
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    is_due: ClassVar[bool] = True

    @abstractmethod
    def enrich(self, inference: Row) -> dict[str, Any]:
        """The values of `columns` for one inference row."""

    @abstractmethod
    def expression(self, table: "ibis.Table") -> "ibis.Table":
        """`table` (INFERENCE_SCHEMA) with `columns` added, or replaced where it has them."""


class SampleEnricher(ABC):
    """Adds `columns` to a row of INFERENCE_SCHEMA, from it and a sample of what its version was trained on.

    Otherwise as an `Enricher`. There may be no sample.
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]

    @abstractmethod
    def enrich(self, inference: Row, sample: Sample | None) -> dict[str, Any]:
        """The values of `columns` for one inference row; the sample is its version's."""

    @abstractmethod
    def expression(self, table: "ibis.Table", samples: Sequence[Sample]) -> "ibis.Table":
        """`table` (INFERENCE_SCHEMA) with `columns` added; the samples of all versions."""


class HistoryEnricher(ABC):
    """Adds `columns` to a row of FEEDBACK_SCHEMA, from it and what the log held before it; both ways alike."""

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]

    @abstractmethod
    def enrich(self, feedback: Row, earlier: Sequence[Row]) -> dict[str, Any]:
        """The values of `columns` for one feedback row; `earlier` are those with a lower offset, in order."""

    @abstractmethod
    def expression(self, feedback: "ibis.Table", every: "ibis.Table") -> "ibis.Table":
        """`columns` by `log_offset`, for rows of `feedback` at least; `every` is all the feedback of the log."""


class JudgingEnricher(ABC):
    """Adds `columns` to a row of INFERENCE_SCHEMA, as the judge says that was in force at its offset.

    It is not asked where there was none; where it is asked and all its columns are null it is `missing`.
    """

    name: ClassVar[str]
    columns: ClassVar[Mapping[str, str]]
    """Each with its type, as ibis calls it."""

    @abstractmethod
    def enrich(self, inference: Row, judge: Judge) -> dict[str, Any]:
        """The values of `columns` for one inference row."""


@cache
def collect() -> Mapping[str, type[Enricher]]:
    """Every enricher of inferences by name: one file each in this folder, and those of installed packages."""
    return collect_classes(PACKAGE, Enricher)  # type: ignore[type-abstract]


@cache
def collect_by_sample() -> Mapping[str, type[SampleEnricher]]:
    """Every enricher by sample, likewise."""
    return collect_classes(PACKAGE, SampleEnricher)  # type: ignore[type-abstract]


@cache
def collect_history() -> Mapping[str, type[HistoryEnricher]]:
    """Every enricher by history, likewise."""
    return collect_classes(PACKAGE, HistoryEnricher)  # type: ignore[type-abstract]


@cache
def collect_judging() -> Mapping[str, type[JudgingEnricher]]:
    """Every enricher by a reward model, likewise."""
    return collect_classes(PACKAGE, JudgingEnricher)  # type: ignore[type-abstract]


def told(answers: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """What enrichers answered, each named, in one dict, and under `missing` the names of those that knew nothing."""
    added: dict[str, Any] = {}
    missing = []
    for name, answer in answers:
        added |= answer
        if all(value is None for value in answer.values()):
            missing.append(name)
    return added | {"missing": sorted(missing)}
