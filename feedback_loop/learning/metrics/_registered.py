"""Metrics a project registered as data: what each kind of them makes of the feedback that names one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from feedback_ingest.log import LogRow
from feedback_loop.learning.metrics._base import ONE, ZERO, AmountColumns, Amounts, Metric
from feedback_loop.learning.metrics._interval import Interval
from feedback_loop.learning.metrics._means import mean_amounts, mean_columns
from feedback_loop.learning.metrics.accuracy import Accuracy

if TYPE_CHECKING:
    import ibis


class Registered(NamedTuple):
    """One metric of a project's own, from the first fact that registered it: its kind never changes."""

    project_id: int
    metric: str
    kind: str
    log_offset: int
    """An answer given before it was registered is no case of it."""


def registered_metrics(facts: Iterable[LogRow]) -> list[Registered]:
    """The own metrics that facts `metric_registered`, in the order of the log, speak of; the first of each counts.

    One of a kind that is not known here is left out: what names it is counted by its type.
    """
    found: dict[tuple[int, str], Registered] = {}
    for fact in facts:
        kind = fact.body["metric"].get("kind", Mean.name)
        if kind in KINDS:
            each = Registered(fact.project_id, fact.body["subject"], kind, fact.log_offset)
            found.setdefault((each.project_id, each.metric), each)
    return list(found.values())


class Mean(Metric):
    """The mean of the numbers that feedback states under the metric's name, on their own scale.

    The number of a thumb, a click or a rating is its reward, 0..1; of an `implicit_signal` or a `ground_truth` its
    value; of an `exposure` how many items were shown.
    """

    name: ClassVar[str] = "mean"
    numerator: ClassVar[str] = "numbers, summed"
    denominator: ClassVar[str] = "feedback with a number, up to ±10⁹"
    silence: ClassVar[str] = "nothing"
    interval: ClassVar[Interval] = "normal"
    feedback_types: ClassVar[frozenset[str] | None] = None

    def amounts(self, state: Mapping[str, Any], inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """The number over 1."""
        return mean_amounts(state.get("number"))

    def columns(self, told: "ibis.Table") -> Sequence[AmountColumns]:
        """The same of every row."""
        return mean_columns(told.number)


class Share(Accuracy):
    """The share of labels given under the metric's name that agree with the answer."""

    name: ClassVar[str] = "share"
    feedback_types: ClassVar[frozenset[str] | None] = None


class PerAnswer(Metric):
    """How much feedback came under the metric's name, per answer given since it was registered."""

    name: ClassVar[str] = "per_answer"
    numerator: ClassVar[str] = "feedback that names it"
    denominator: ClassVar[str] = "answers given since it was registered"
    silence: ClassVar[str] = "an answer of which it did not happen"
    interval: ClassVar[Interval] = "poisson"
    feedback_types: ClassVar[frozenset[str] | None] = None
    per_inference: ClassVar[bool] = True

    def amounts(self, state: Mapping[str, Any], inference: Mapping[str, Any]) -> Sequence[Amounts]:
        """1 to the numerator; the denominator comes from the inferences."""
        return (Amounts(ONE, ZERO),)

    def columns(self, told: "ibis.Table") -> Sequence[AmountColumns]:
        """The same of every row."""
        return (AmountColumns(None, 1, 0),)


KINDS: Mapping[str, Metric] = {kind.name: kind() for kind in (Mean, Share, PerAnswer)}
