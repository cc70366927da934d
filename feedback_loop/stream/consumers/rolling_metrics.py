"""Rolling metrics: every change of attribution takes its old contribution out and puts the new one in, exactly."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar

from psycopg import Cursor
from sqlmodel import SQLModel

from feedback_loop.learning.metrics import Contribution, bucket_start, contributions, inference_contributions
from feedback_loop.stream.consumers._base import Batch, Bucket, Consumer, Event, Movement, Row
from feedback_loop.stream.tables import LiveMetric

ADD = """
INSERT INTO live_metrics AS m (project_id, model_name, model_version, metric, bucket_start, numerator, denominator)
SELECT * FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::numeric[], %s::numeric[])
ON CONFLICT (project_id, model_name, model_version, metric, bucket_start)
DO UPDATE SET numerator = m.numerator + excluded.numerator, denominator = m.denominator + excluded.denominator
"""
# Only a bucket that something was taken out of can have become empty; an empty one is no bucket.
SWEEP = """
DELETE FROM live_metrics m
USING unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::timestamptz[]) AS k(p, n, v, m, b)
WHERE (m.project_id, m.model_name, m.model_version, m.metric, m.bucket_start) = (k.p, k.n, k.v, k.m, k.b)
  AND m.numerator = 0 AND m.denominator = 0
"""


class RollingMetrics(Consumer):
    """Sums numerators and denominators per project, model, version, metric and bucket of event time."""

    name: ClassVar[str] = "rolling_metrics"
    after: ClassVar[tuple[str, ...]] = ("attribution",)
    tables: ClassVar[tuple[type[SQLModel], ...]] = (LiveMetric,)

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Adds this batch's differences to the buckets they fall in, and leaves them in `batch.moved`."""
        moved: dict[Bucket, Movement] = {}
        lowered: set[Bucket] = set()
        bucket_s = self.settings.bucket_s
        for example, newest, count in _alike(batch.events, bucket_s):
            for one in inference_contributions(example, bucket_s):
                _add(moved, one, newest, count)
        for change in batch.changes:
            before = contributions(change.before, bucket_s) if change.before else ()
            after = contributions(change.after, bucket_s)
            if before or after:
                moment = event_time(change.after)
                lowered.update(_add(moved, one, moment, -1) for one in before)
                for one in after:
                    _add(moved, one, moment, 1)
        self._write(cursor, moved, lowered)
        batch.moved = moved

    @staticmethod
    def _write(cursor: Cursor[Any], moved: dict[Bucket, Movement], lowered: set[Bucket]) -> None:
        rows = [(*key, moved[key].numerator, moved[key].denominator) for key in sorted(moved)]
        if rows:
            cursor.execute(ADD, [list(column) for column in zip(*rows, strict=True)])
        if lowered:
            cursor.execute(SWEEP, [list(column) for column in zip(*sorted(lowered), strict=True)])


def event_time(row: Row) -> datetime:
    """When it occurred; in a row that was read back from the table it is text."""
    moment = row["occurred_at"]
    return datetime.fromisoformat(moment) if isinstance(moment, str) else moment


def _alike(events: Iterable[Event], bucket_s: int) -> Iterator[tuple[Row, datetime, int]]:
    """The inferences that add the same to the same bucket: one of them, the newest event time, and how many."""
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for event in events:
        row = event.inference
        if row is None:
            continue
        moment = row["occurred_at"]
        key = (row["project_id"], row["model_name"], row["model_version"], bucket_start(moment, bucket_s))
        group = groups.setdefault(key, [row, moment, 0])
        group[1] = max(group[1], moment)
        group[2] += 1
    for row, newest, count in groups.values():
        yield row, newest, count


def _add(moved: dict[Bucket, Movement], one: Contribution, moment: datetime, times: int) -> Bucket:
    bucket = Bucket(one.project_id, one.model_name, one.model_version, one.metric, one.bucket_start)
    movement = moved.get(bucket)
    if movement is None:
        movement = moved[bucket] = Movement(moment)
    elif moment > movement.newest:
        movement.newest = moment
    movement.numerator += times * one.numerator
    movement.denominator += times * one.denominator
    return bucket
