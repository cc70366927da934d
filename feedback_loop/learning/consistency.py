"""Consistency: whether a feedback contradicts itself, its inference or the metric it names.

A function for one feedback and, beside it, an expression for partitions of millions; a property test holds them to one
meaning. Which of them matter, and what becomes of a breach, is a project's policy (`policies/validation.py`).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from feedback_ingest.log import LogRow

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import BooleanValue, IntegerValue

REASONS = ('"reason_codes":', '"comment":', '"corrected_text":')
"""How the fields that carry a reason begin in `feedback_value`, compact JSON: inside a text a quote is escaped."""
SCORE = r'"score":(-?[0-9.]+(?:[eE][-+]?[0-9]+)?)'

Row = Mapping[str, Any]


class Range(NamedTuple):
    """Between what the numbers of a registered metric lie; None leaves a side open."""

    low: float | None
    high: float | None


Ranges = Mapping[tuple[int, str], Range]
"""By project and metric."""


def ranges_of(registered: Iterable[LogRow]) -> Ranges:
    """Those that facts `metric_registered`, in the order of the log, tell; none of a metric open on both sides."""
    metrics = {(fact.project_id, fact.body["subject"]): fact.body["metric"] for fact in registered}
    found = {name: Range(metric.get("low"), metric.get("high")) for name, metric in metrics.items()}
    return {name: each for name, each in found.items() if each != (None, None)}


def unknown_outputs(feedback: Row, inference: Row | None) -> int | None:
    """How many of the compared outputs (0 to 2) the inference did not give; None where there is nothing to compare."""
    if feedback["preferred"] is None or inference is None or inference["output_ids"] is None:
        return None
    named = [feedback["preferred"], feedback["rejected"]]
    return sum(output is not None and output not in inference["output_ids"] for output in named)


def unknown_outputs_of(rows: "ibis.Table") -> "IntegerValue":
    """The same of every row of feedback with its inference's outputs as `given_outputs`."""
    unknown = [
        (rows[name].notnull() & ~rows.given_outputs.contains(rows[name])).cast("int64").fill_null(0)
        for name in ("preferred", "rejected")
    ]
    applies = rows.preferred.notnull() & rows.given_outputs.notnull()
    return applies.ifelse(unknown[0] + unknown[1], None)


def differences(feedback: Row, inference: Row | None) -> int | None:
    """1 where a correction differs from the answer, 0 where it repeats it; None where they cannot be compared."""
    if feedback["feedback_type"] != "explicit_correction" or inference is None:
        return None
    for said, answered in (
        (feedback["label"], inference["answer_label"]),
        (feedback["text"], inference["answer_text"]),
    ):
        if said is not None and answered is not None:
            return int(said != answered)
    return None


def differences_of(rows: "ibis.Table") -> "IntegerValue":
    """The same of every row of feedback with its inference's answer as `answered_label` and `answered_text`."""
    import ibis

    return ibis.cases(
        (rows.feedback_type != "explicit_correction", None),
        (rows.label.notnull() & rows.answered_label.notnull(), (rows.label != rows.answered_label).cast("int64")),
        (rows.text.notnull() & rows.answered_text.notnull(), (rows.text != rows.answered_text).cast("int64")),
        else_=None,
    )


def reasons(feedback: Row) -> int | None:
    """1 where a thumbs-down says why, 0 where it does not; None where it is no thumbs-down."""
    if feedback["feedback_type"] != "explicit_binary" or feedback["reward"] != 0:
        return None
    return int(any(name in feedback["feedback_value"] for name in REASONS))


def reasons_of(rows: "ibis.Table") -> "IntegerValue":
    """The same of every row of feedback."""
    named = [rows.feedback_value.contains(name) for name in REASONS]
    is_negative = ((rows.feedback_type == "explicit_binary") & (rows.reward == 0)).fill_null(False)
    return is_negative.ifelse((named[0] | named[1] | named[2]).cast("int64"), None)


def beyond_range(feedback: Row, ranges: Ranges) -> int | None:
    """1 where the number lies outside its metric's range, 0 where it lies inside; None where there is no range.

    A rating may be meant as its score or as its reward, 0..1: one of them must lie inside.
    """
    bounds = ranges.get((feedback["project_id"], feedback["metric"]))
    if bounds is None or feedback["number"] is None:
        return None
    numbers = [feedback["number"]]
    if feedback["feedback_type"] == "explicit_rating":
        score = re.search(SCORE, feedback["feedback_value"])
        numbers += [float(score[1])] if score else []
    return int(not any(_is_within(number, bounds) for number in numbers))


def _is_within(number: float, bounds: Range) -> bool:
    return (bounds.low is None or number >= bounds.low) and (bounds.high is None or number <= bounds.high)


def beyond_range_of(rows: "ibis.Table", ranges: Ranges) -> "IntegerValue":
    """The same of every row of feedback."""
    import ibis

    score = (rows.feedback_type == "explicit_rating").ifelse(rows.feedback_value.re_extract(SCORE, 1), None)
    score = score.nullif("").cast("float64")
    branches: list[tuple[BooleanValue, IntegerValue]] = [(rows.number.isnull(), ibis.null("int64"))]
    for (project_id, metric), bounds in ranges.items():
        inside = _within(rows.number, bounds) | _within(score, bounds).fill_null(False)
        branches.append(((rows.project_id == project_id) & (rows.metric == metric), (~inside).cast("int64")))
    return ibis.cases(*branches, else_=None).cast("int64")


def _within(number: Any, bounds: Range) -> "BooleanValue":
    import ibis

    low = ibis.literal(True) if bounds.low is None else number >= bounds.low
    return low if bounds.high is None else low & (number <= bounds.high)


BREACHES: Mapping[str, Callable[[Row, Row | None, Ranges], bool]] = {
    "compared_outputs_exist": lambda feedback, inference, _: bool(unknown_outputs(feedback, inference)),
    "correction_differs": lambda feedback, inference, _: differences(feedback, inference) == 0,
    "negative_has_reason": lambda feedback, _, __: reasons(feedback) == 0,
    "rating_in_range": lambda feedback, _, ranges: beyond_range(feedback, ranges) == 1,
}
"""Whether one feedback breaks a rule, by the rule's name: the fields of ValidationPolicy."""
