"""What a metric is: what one feedback and one inference add to a ratio, as a function and as an expression."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Context, Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from feedback_loop.learning.collecting import collect_classes
from feedback_loop.learning.metrics._interval import Interval

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import BooleanValue, NumericValue, StringValue

ZERO = Decimal("0.000000")
HALF = Decimal("0.500000")
ONE = Decimal("1.000000")

LARGEST = 1e9
"""A number beyond it, on either side, counts in no metric: sums and sums of squares must stay exact."""

WIDE = Context(prec=76)
"""Squares have more digits than Python's decimals keep by themselves; whoever makes or adds them does it here."""


class Amounts(NamedTuple):
    """What one row adds to a ratio, exact to 6 places."""

    numerator: Decimal
    denominator: Decimal
    model_version: str | None = None
    """Whom it counts for, where that is not the version that was asked."""
    against: str | None = None
    """The version it was compared with: it counts in that segment, and in no other."""


class AmountColumns(NamedTuple):
    """`Amounts` of every row of a table: the rows that count, and what each adds."""

    counts: "BooleanValue | None"  # None: every row
    numerator: "NumericValue | int"
    denominator: "NumericValue | int"
    model_version: "StringValue | None" = None
    against: "StringValue | None" = None


class Place(NamedTuple):
    """Where something counts before it is split: `own` are the segments of the feedback, `asked` of the inference."""

    project_id: int
    metric: str
    model_name: str
    model_version: str
    bucket_start: datetime
    own: str | None
    asked: str | None
    against: str | None


class Contribution(NamedTuple):
    """What one row adds to one metric of one model in one bucket of event time; to undo a row, subtract it.

    Both amounts are weighted by what the row stands for. `squares` is the square of what it adds to the numerator,
    where the interval needs that (any but Wilson's); `weights` the square of its weight, for each case it adds.
    """

    place: Place
    numerator: Decimal
    denominator: Decimal
    squares: Decimal
    weights: Decimal


class Metric(ABC):
    """A ratio over feedback that is attributed, not undone and no retraction; its base sees to these three."""

    name: ClassVar[str]
    numerator: ClassVar[str]
    """What is counted or summed, in words; with the two below it makes the metric's page."""
    denominator: ClassVar[str]
    silence: ClassVar[str]
    """What an answer counts as that nobody said anything of."""
    interval: ClassVar[Interval] = "wilson"
    feedback_types: ClassVar[frozenset[str] | None]
    """The types it reads, save what names a metric of the project's own; None: every feedback."""
    per_inference: ClassVar[bool] = False
    """Whether each inference adds 1 to the denominator, in the bucket of the inference.

    Such a ratio is split by the inference's segments only: whoever is silent names none.
    """

    @abstractmethod
    def amounts(self, state: Mapping[str, Any], inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """What one feedback of these types adds, often nothing. `state` is a row of ATTRIBUTED_SCHEMA."""

    def prepared(self, told: "ibis.Table") -> "ibis.Table":
        """`told` with what `columns` reads more than once, in columns whose names begin with the metric's."""
        return told

    def implied(self, told: "ibis.Table") -> "ibis.Table | None":
        """Further rows that this metric alone reads, with the columns of `told`; None where a row speaks for itself."""
        return None

    @abstractmethod
    def columns(self, told: "ibis.Table") -> Sequence[AmountColumns]:
        """The same of every row of `told`: the feedback, and of its inference output_ids and output_versions.

        It comes from `prepared`.
        """

    def judged(self, inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """What an answer adds by itself as it was judged; `inference` has the columns of the judging enrichers."""
        return ()

    def judged_columns(self, inferences: "ibis.Table") -> Sequence[AmountColumns]:
        """The same of every row."""
        return ()


def meaning_of(metric: Metric | type[Metric]) -> dict[str, str]:
    """What a metric counts, out of what, what silence means in it, and which kind of interval it has."""
    return {name: getattr(metric, name) for name in ("numerator", "denominator", "silence", "interval")}


def is_settled(state: Mapping[str, Any]) -> bool:
    """Whether a feedback counts in any metric now: attributed, not undone, and itself no retraction."""
    return state["state"] == "attributed" and not state["is_undone"] and not state["is_retraction"]


@cache
def collect() -> Mapping[str, type[Metric]]:
    """Every metric by name: one file each in this folder, and those of installed packages."""
    return collect_classes("feedback_loop.learning.metrics", Metric)  # type: ignore[type-abstract]


def exact(number: float) -> Decimal:
    """A number that was rounded to 6 places (rows.py), as the decimal it was rounded to."""
    return Decimal(round(number * 1_000_000)).scaleb(-6)
