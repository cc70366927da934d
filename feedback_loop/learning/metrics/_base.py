"""What a metric is: what one feedback and one inference add to a ratio, as a function and as an expression."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from feedback_loop.learning.collecting import collect_classes

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import BooleanValue, NumericValue

ZERO = Decimal("0.000000")
ONE = Decimal("1.000000")


class Amounts(NamedTuple):
    """What one row adds to a ratio, exact to 6 places."""

    numerator: Decimal
    denominator: Decimal


class AmountColumns(NamedTuple):
    """`Amounts` of every row of a table: the rows that count, and what each adds."""

    counts: "BooleanValue"
    numerator: "NumericValue | int"
    denominator: "NumericValue | int"


class Contribution(NamedTuple):
    """What one row adds to one metric of one model in one bucket of event time; to undo a row, subtract it."""

    project_id: int
    metric: str
    model_name: str
    model_version: str
    bucket_start: datetime
    numerator: Decimal
    denominator: Decimal


class Metric(ABC):
    """A ratio over feedback that is attributed, not undone and no retraction; its base sees to these three."""

    name: ClassVar[str]
    feedback_types: ClassVar[frozenset[str] | None]
    """The types it reads; None: every type."""
    per_inference: ClassVar[bool] = False
    """Whether each inference adds 1 to the denominator, in the bucket of the inference."""

    @abstractmethod
    def amounts(self, state: Mapping[str, Any]) -> Amounts | None:
        """What one feedback of these types adds; None: nothing. `state` is a row of ATTRIBUTED_SCHEMA."""

    @abstractmethod
    def columns(self, feedback: "ibis.Table") -> AmountColumns:
        """The same of every row of `feedback`."""


@cache
def collect() -> Mapping[str, type[Metric]]:
    """Every metric by name: one file each in this folder, and those of installed packages."""
    return collect_classes("feedback_loop.learning.metrics", Metric)  # type: ignore[type-abstract]
