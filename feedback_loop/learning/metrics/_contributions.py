"""Metrics one row at a time, for the stream: a few µs a row."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from feedback_loop.learning.metrics._base import ONE, WIDE, ZERO, Contribution, Metric, Place, collect, is_settled
from feedback_loop.learning.metrics._registered import KINDS, Registered
from feedback_loop.learning.metrics._votes import contested
from feedback_loop.learning.metrics._weights import weight_of, weighted
from feedback_loop.learning.metrics.disagreement import Disagreement
from feedback_loop.learning.segments import AGAINST, ALL, Admitted, key_of

Kinds = Mapping[tuple[int, str], Registered]
"""Metrics that projects registered, by project and name."""

NONE: Kinds = {}


class Reader(NamedTuple):
    """A metric as it reads one feedback: under its name, split by what both sides name or by the inference alone."""

    metric: Metric
    name: str
    splits_by_feedback: bool


def contributions(
    state: Mapping[str, Any], inference: Mapping[str, Any] | None, bucket_s: int, registered: Kinds = NONE
) -> list[Contribution]:
    """What one feedback adds to the metrics in its present attribution; nothing unless attributed and not undone.

    `state` is a row of ATTRIBUTED_SCHEMA (occurred_at an aware datetime, or RFC 3339 text as a change's JSON has it),
    `inference` the one it is about. When attribution changes, subtract those of the row before and add those of the
    row after. A sum that falls to 0/0 means absence.
    """
    if inference is None or not is_settled(state):
        return []
    project = state["project_id"]
    own = registered.get((project, state["metric"])) if registered else None
    readers = _readers(state["feedback_type"]) if own is None else _readers_of_own(own.metric, own.kind)
    start = bucket_start(state["occurred_at"], bucket_s)
    model, version = state["model_name"], state["model_version"]
    told, asked = state["segments"], inference["segments"]
    weight = weight_of(state["pass_probability"])
    added = []
    for metric, name, splits_by_feedback in readers:
        for up, down, whose, against in metric.amounts(state, inference):
            own_segments = told if splits_by_feedback and against is None else None
            asked_segments = asked if against is None else None
            place = Place(project, name, model, whose or version, start, own_segments, asked_segments, against)
            added.append(_weighed(metric, place, up, down, weight))
    return added


def _weighed(metric: Metric, place: Place, up: Decimal, down: Decimal, weight: Decimal) -> Contribution:
    weights = down
    if weight != ONE:
        up, down = weighted(up, weight), weighted(down, weight)
        weights = weighted(down, weight)
    squares = ZERO if metric.interval == "wilson" or not up else WIDE.multiply(up, up)
    return Contribution(place, up, down, squares, weights)


def inference_contributions(
    inference: Mapping[str, Any], bucket_s: int, registered: Iterable[str] = ()
) -> list[Contribution]:
    """What one inference adds: 1 to the denominator of the metrics per answer given.

    `inference` holds project_id, model_name, model_version, occurred_at and segments; `registered` names the project's
    own metrics of the kind `per_answer` that it is a case of.
    """
    start = bucket_start(inference["occurred_at"], bucket_s)
    asked = (inference["project_id"], inference["model_name"], inference["model_version"], inference["segments"])
    return [_of_inference(*asked, start, name) for name in (*_per_inference(), *registered)]


def judged_contributions(inference: Mapping[str, Any], bucket_s: int) -> list[Contribution]:
    """What an answer adds that a reward model judged: an inference row with the judging enrichers' columns."""
    start = bucket_start(inference["occurred_at"], bucket_s)
    asked = (inference["model_name"], inference["model_version"], start, None, inference["segments"], None)
    return [
        _weighed(metric, Place(inference["project_id"], metric.name, *asked), up, down, ONE)
        for metric in _judging()
        for up, down, _, _ in metric.judged(inference)
    ]


def _of_inference(
    project: int, model: str, version: str, segments: str | None, start: datetime, metric: str
) -> Contribution:
    return Contribution(Place(project, metric, model, version, start, None, segments, None), ZERO, ONE, ZERO, ONE)


def vote_contributions(
    inference: Mapping[str, Any], bucket_s: int, before: Iterable[int], after: Iterable[int]
) -> list[tuple[Contribution, int]]:
    """What the votes on one question of an inference add (1) and take back (-1), given each answer's count."""
    start = bucket_start(inference["occurred_at"], bucket_s)
    model, version = inference["model_name"], inference["model_version"]
    place = Place(inference["project_id"], Disagreement.name, model, version, start, None, inference["segments"], None)
    return [
        (Contribution(place, amounts.numerator, amounts.denominator, ZERO, amounts.denominator), times)
        for times, counts in ((-1, before), (1, after))
        if (amounts := contested(counts)) is not None
    ]


def cases_of(registered: Iterable[Registered], log_offset: int) -> tuple[str, ...]:
    """The names of those of one project that an inference at that offset is a case of."""
    return tuple(each.metric for each in registered if KINDS[each.kind].per_inference and each.log_offset < log_offset)


def segments_of(place: Place, admitted: Admitted) -> Collection[str]:
    """The segments that what counts at `place` counts in."""
    if place.against is not None:
        return (key_of(AGAINST, place.against),)
    if place.own is None and place.asked is None:
        return (ALL,)
    return admitted.segments_of(place.project_id, place.own, place.asked)


def bucket_start(occurred_at: datetime | str, bucket_s: int) -> datetime:
    """The start, in UTC, of the bucket of `bucket_s` seconds since 1970 that holds `occurred_at`."""
    moment = datetime.fromisoformat(occurred_at) if isinstance(occurred_at, str) else occurred_at
    second = int(moment.timestamp())
    return datetime.fromtimestamp(second - second % bucket_s, UTC)


def _reader(metric: Metric, name: str) -> Reader:
    return Reader(metric, name, not metric.per_inference)


@cache
def _readers(feedback_type: str) -> tuple[Reader, ...]:
    metrics = [metric() for metric in collect().values()]
    read = (each for each in metrics if each.feedback_types is None or feedback_type in each.feedback_types)
    return tuple(_reader(each, each.name) for each in read)


@cache
def _readers_of_own(name: str, kind: str) -> tuple[Reader, ...]:
    """Feedback that names a metric of the project's own counts there, and in what counts every feedback."""
    every = (metric() for metric in collect().values() if metric.feedback_types is None)
    return (_reader(KINDS[kind], name), *(_reader(each, each.name) for each in every))


@cache
def _judging() -> tuple[Metric, ...]:
    return tuple(metric() for metric in collect().values() if metric.judged is not Metric.judged)


@cache
def _per_inference() -> tuple[str, ...]:
    return tuple(name for name, metric in collect().items() if metric.per_inference)
