"""Sessions: what people said of a model, by the session they said it in; exact sums, as the rolling metrics are."""

from datetime import datetime
from typing import Any, ClassVar

from psycopg import Cursor
from sqlmodel import SQLModel

from feedback_loop.learning.keeping import Horizon
from feedback_loop.learning.metrics import contributions
from feedback_loop.stream.consumers import _metric_tables as metric_tables
from feedback_loop.stream.consumers._base import Batch, Bucket, Change, Consumer, Movement
from feedback_loop.stream.consumers._metric_tables import told_apart
from feedback_loop.stream.consumers.rolling_metrics import event_time, move_by
from feedback_loop.stream.keeping.horizons import forget
from feedback_loop.stream.keeping.tables import LiveSession


class Sessions(Consumer):
    """Keeps the buckets of each `session_id`; where one session ends and the next begins is told when somebody asks.

    A rate per answer has its numerator only here: nobody tells in which session an answer was given. Sessions are kept
    as long as the metrics are kept finely.
    """

    name: ClassVar[str] = "sessions"
    after: ClassVar[tuple[str, ...]] = ("rolling_metrics",)
    tables: ClassVar[tuple[type[SQLModel], ...]] = (LiveSession,)

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Adds this batch's differences to the sessions they belong to."""
        for model in batch.aged:
            forget(cursor, "live_sessions", model, batch.horizons[model].fine_from)
        told = [change for change in batch.changes if change.after["session_id"] is not None]
        if told:
            moved, emptied = self._moved(batch, told, cursor)
            metric_tables.add(cursor, moved, emptied, metric_tables.BY_SESSION)

    def _moved(
        self, batch: Batch, told: list[Change], cursor: Cursor[Any]
    ) -> tuple[dict[Bucket, Movement], set[Bucket]]:
        registered = metric_tables.registered(cursor, batch.events, told)
        moved: dict[Bucket, Movement] = {}
        emptied: set[Bucket] = set()
        for change in told:
            moment, session = event_time(change.after), told_apart(change.after["session_id"])
            for row, times in ((change.before, -1), (change.after, 1)):
                if row is None:
                    continue
                for one in contributions(row, change.inference, self.settings.bucket_s, registered):
                    place = one.place
                    horizon = batch.horizons.get((place.project_id, place.model_name), Horizon())
                    if place.against is None and place.bucket_start >= horizon.fine_from:
                        series = (place.project_id, place.model_name, place.model_version, place.metric, session)
                        bucket = Bucket(*series, place.bucket_start)
                        move_by(moved.setdefault(bucket, Movement(moment)), moment, times, one)
                        if times < 0:
                            emptied.add(bucket)
        return moved, emptied
