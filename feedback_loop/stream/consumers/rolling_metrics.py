"""Rolling metrics: every change of attribution takes its old contribution out and puts the new one in, exactly."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from psycopg import Cursor
from sqlmodel import SQLModel

from feedback_loop.learning.enrichers import flat, judged
from feedback_loop.learning.keeping import Horizon, Model
from feedback_loop.learning.metrics import (
    WIDE,
    Contribution,
    Kinds,
    Place,
    Registered,
    bucket_start,
    cases_of,
    contributions,
    inference_contributions,
    judged_contributions,
    segments_of,
    vote_contributions,
    vote_of,
)
from feedback_loop.learning.segments import Admitted
from feedback_loop.stream.consumers import _metric_tables as metric_tables
from feedback_loop.stream.consumers._base import Batch, Bucket, Change, Consumer, Event, Movement, Row
from feedback_loop.stream.consumers._metric_tables import Unit
from feedback_loop.stream.keeping import horizons
from feedback_loop.stream.keeping.tables import LiveHorizon
from feedback_loop.stream.tables import LiveMetric, LiveRegistration, LiveSegment, LiveVote

Moved = dict[Place, Movement]


class RollingMetrics(Consumer):
    """Sums per project, model, version, metric, segment and bucket of event time; it keeps five tables of its own.

    What a batch adds is summed first and split by segment then, so that segments cost little an event.
    """

    name: ClassVar[str] = "rolling_metrics"
    after: ClassVar[tuple[str, ...]] = ("attribution", "budgets")
    tables: ClassVar[tuple[type[SQLModel], ...]] = (LiveMetric, LiveHorizon, LiveSegment, LiveVote, LiveRegistration)

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Adds this batch's differences to the buckets they fall in, and leaves them in `batch.moved`."""
        metric_tables.learn_registered(cursor, batch.events)
        registered = metric_tables.registered(cursor, batch.events, batch.changes)
        changes = [change for change in batch.changes if _key(change) not in batch.uncounted]
        moved: Moved = {}
        lowered: set[Place] = set()
        answered = self._add_inferences(batch.events, registered, moved)
        self._add_judged(batch, moved)
        self._add_changes(changes, registered, moved, lowered)
        self._add_votes(changes, cursor, moved, lowered)
        admitted = metric_tables.admit(cursor, batch.events, moved)
        known = horizons.find(cursor, {(place.project_id, place.model_name) for place in moved})
        aged = horizons.move(cursor, known, answered, self.settings)
        batch.horizons, batch.aged = known | aged, set(aged)
        buckets, emptied = _spread(moved, lowered, admitted, batch.horizons)
        metric_tables.add(cursor, buckets, emptied, metric_tables.BY_SEGMENT)
        batch.moved = buckets

    def _add_inferences(self, events: Sequence[Event], registered: Kinds, moved: Moved) -> dict[Model, datetime]:
        """Adds the answers; when each model answered last."""
        bucket_s = self.settings.bucket_s
        answered: dict[Model, datetime] = {}
        for example, newest, cases, count in _alike(events, registered, bucket_s):
            model = example["project_id"], example["model_name"]
            answered[model] = max(newest, answered.get(model, newest))
            for one in inference_contributions(example, bucket_s, cases):
                _add(moved, one, newest, count)
        return answered

    def _add_judged(self, batch: Batch, moved: Moved) -> None:
        for row in (event.inference for event in batch.events):
            if row is not None and (said := judged(row, batch.judges)):
                for one in judged_contributions({**row, **flat(said)}, self.settings.bucket_s):
                    _add(moved, one, event_time(row), 1)

    def _add_changes(self, changes: Iterable[Change], registered: Kinds, moved: Moved, lowered: set[Place]) -> None:
        bucket_s = self.settings.bucket_s
        for change in changes:
            moment = event_time(change.after)
            if change.before is not None:
                for one in contributions(change.before, change.inference, bucket_s, registered):
                    lowered.add(_add(moved, one, moment, -1))
            for one in contributions(change.after, change.inference, bucket_s, registered):
                _add(moved, one, moment, 1)

    def _add_votes(self, changes: Iterable[Change], cursor: Cursor[Any], moved: Moved, lowered: set[Place]) -> None:
        cast, about = _votes(changes)
        if not cast:
            return
        counted = metric_tables.votes(cursor, cast)
        for unit, votes in cast.items():
            before = counted.get(unit, {})
            after = Counter(before)
            after.update(votes)
            inference = about[unit]
            for one, times in vote_contributions(inference, self.settings.bucket_s, before.values(), after.values()):
                place = _add(moved, one, event_time(inference), times)
                if times < 0:
                    lowered.add(place)
        metric_tables.count_votes(cursor, cast)


def _key(change: Change) -> tuple[int, str]:
    return change.after["project_id"], change.after["feedback_id"]


def event_time(row: Row) -> datetime:
    """When it occurred; in a row that was read back from the table it is text."""
    moment = row["occurred_at"]
    return datetime.fromisoformat(moment) if isinstance(moment, str) else moment


def _alike(
    events: Iterable[Event], registered: Kinds, bucket_s: int
) -> Iterator[tuple[Row, datetime, tuple[str, ...], int]]:
    """The inferences that add the same to the same bucket: one of them, the newest event time, its cases, how many."""
    own: defaultdict[int, list[Registered]] = defaultdict(list)
    for each in registered.values():
        own[each.project_id].append(each)
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for event in events:
        row = event.inference
        if row is None:
            continue
        moment, project = row["occurred_at"], row["project_id"]
        cases = cases_of(own[project], event.row.log_offset) if project in own else ()
        start = bucket_start(moment, bucket_s)
        key = (project, row["model_name"], row["model_version"], row["segments"], start, cases)
        group = groups.setdefault(key, [row, moment, cases, 0])
        group[1] = max(group[1], moment)
        group[3] += 1
    for row, newest, cases, count in groups.values():
        yield row, newest, cases, count


def _votes(changes: Iterable[Change]) -> tuple[dict[Unit, Counter[str]], dict[Unit, Row]]:
    """By inference and question how many votes for each answer came or went (below 0), and the inference."""
    cast: defaultdict[Unit, Counter[str]] = defaultdict(Counter)
    about: dict[Unit, Row] = {}
    for change in changes:
        for row, times in ((change.before, -1), (change.after, 1)):
            vote = None if row is None else vote_of(row)
            if vote is not None and change.inference is not None:
                unit = Unit(change.after["project_id"], change.after["inference_request_id"], vote.question)
                cast[unit][metric_tables.told_apart(vote.answer)] += times
                about[unit] = change.inference
    return dict(cast), about


def _add(moved: Moved, one: Contribution, moment: datetime, times: int) -> Place:
    place = one.place
    movement = moved.get(place)
    if movement is None:
        movement = moved[place] = Movement(moment)
    if one.weights != one.denominator:
        movement.heaviest = max(movement.heaviest, one.weights / one.denominator)
    move_by(movement, moment, times, one)
    return place


def _spread(
    moved: Mapping[Place, Movement], lowered: set[Place], admitted: Admitted, horizons: Mapping[Model, Horizon]
) -> tuple[dict[Bucket, Movement], set[Bucket]]:
    """What moved by bucket of each segment, and the buckets that something was taken out of."""
    buckets: dict[Bucket, Movement] = {}
    emptied: set[Bucket] = set()
    for place, by in moved.items():
        horizon = horizons.get((place.project_id, place.model_name))
        start = place.bucket_start if horizon is None else horizon.place(place.bucket_start)
        if start is None:
            continue
        for segment in segments_of(place, admitted):
            bucket = Bucket(place.project_id, place.model_name, place.model_version, place.metric, segment, start)
            movement = buckets.get(bucket)
            if movement is None:
                movement = buckets[bucket] = Movement(by.newest)
            movement.heaviest = max(movement.heaviest, by.heaviest)
            move_by(movement, by.newest, 1, by)
            if place in lowered:
                emptied.add(bucket)
    return buckets, emptied


def move_by(movement: Movement, moment: datetime, times: int, by: Contribution | Movement) -> None:
    """Adds an amount so many times, -1 to take it out."""
    if moment > movement.newest:
        movement.newest = moment
    movement.numerator += times * by.numerator
    movement.denominator += times * by.denominator
    movement.weights += times * by.weights
    if by.squares:
        movement.squares = WIDE.fma(by.squares, times, movement.squares)
