"""Who speaks in a window: asked only when a rule is otherwise about to act, and found by key in what is attributed."""

from datetime import datetime, timedelta
from typing import Any

from psycopg import Cursor

from feedback_loop.learning.metrics import MOST_SAMPLED, collect
from feedback_loop.learning.ratios import Ratio
from feedback_loop.learning.rules import Voices
from feedback_loop.stream.ruling.metric_points import Series

SAID = """
FROM live_feedback f
WHERE f.project_id = %(project)s AND f.model_name = %(model)s AND f.model_version = %(version)s
  AND f.occurred_at BETWEEN %(start)s AND %(end)s
  AND f.state = 'attributed' AND NOT f.is_undone
  AND NOT EXISTS (
      SELECT FROM live_uncounted u WHERE u.project_id = f.project_id AND u.feedback_id = f.feedback_id)
  AND (%(types)s::text[] IS NULL OR f.feedback_type = ANY(%(types)s))
  AND (%(own)s::text IS NULL OR f.metric = %(own)s)
  AND (%(name)s = '' OR (f.row ->> 'segments')::jsonb ->> %(name)s = %(value)s OR EXISTS (
      SELECT FROM live_inferences i
      WHERE i.project_id = f.project_id AND i.inference_request_id = f.inference_request_id
        AND (i.answer ->> 'segments')::jsonb ->> %(name)s = %(value)s))
"""
VOTES = f"""{SAID}
  AND f.source_kind = 'end_user' AND f.feedback_type <> 'ground_truth' AND f.feedback_type <> 'review_label'
"""
# A user who is new in the window may be one of many made for it.
USERS = f"""
SELECT count(*) FROM (SELECT DISTINCT f.user_ref {VOTES} AND f.user_ref IS NOT NULL) AS u
WHERE EXISTS (SELECT FROM live_feedback e
              WHERE e.project_id = %(project)s AND e.user_ref = u.user_ref AND e.received_at < %(start)s)
"""
WEIGHT = f"(least(1 / (f.row ->> 'pass_probability')::float, {MOST_SAMPLED}))::numeric(9, 6)"
SUMS = f"""
SELECT coalesce(sum(w.correct::int * w.weight), 0), coalesce(sum(w.weight), 0), coalesce(sum(w.weight * w.weight), 0)
FROM (SELECT f.correct, {WEIGHT} AS weight {VOTES} AND f.correct IS NOT NULL) w
"""
WITNESSED = frozenset({"accuracy"})
"""Metrics that end users and the ground truth feed alike; in the others every sample is somebody's vote."""

AGAIN_AFTER = timedelta(seconds=0.25)
"""While a window is short of people it is asked about in every batch; the answer is so old at most."""


class Ear:
    """Asks who speaks, and remembers the answer for a moment."""

    def __init__(self) -> None:
        self._heard: dict[tuple[Series, timedelta], tuple[datetime, Voices]] = {}

    def listen(self, cursor: Cursor[Any], now: datetime, series: Series, start: datetime, end: datetime) -> Voices:
        """The voices between two moments of event time; `now` is the wall clock."""
        key = (series, end - start)
        heard_at, voices = self._heard.get(key, (None, Voices(0)))
        if heard_at is None or not heard_at <= now < heard_at + AGAIN_AFTER:
            voices = listen(cursor, series, start, end)
            self._heard = {one: known for one, known in self._heard.items() if now - known[0] < AGAIN_AFTER}
            self._heard[key] = now, voices
        return voices


def listen(cursor: Cursor[Any], series: Series, start: datetime, end: datetime) -> Voices:
    """The people and the votes in one metric of one model version between two moments of event time.

    In a segment that stands for all others (`other`, `against`) nobody is counted: who is in it is not told by name.
    """
    asked = said_in(series, start, end)
    [users] = cursor.execute(USERS, asked).fetchone() or (0,)
    if series.metric not in WITNESSED:
        return Voices(users)
    return Voices(users, Ratio(*(cursor.execute(SUMS, asked).fetchone() or ())))


def said_in(series: Series, start: datetime, end: datetime) -> dict[str, Any]:
    """What SAID is asked with: a series between two moments of event time."""
    kind = collect().get(series.metric)
    name, _, value = series.segment.partition("=")
    return {
        "project": series.project_id,
        "model": series.model_name,
        "version": series.model_version,
        "start": start,
        "end": end,
        "types": sorted(kind.feedback_types) if kind and kind.feedback_types else None,
        "own": None if kind else series.metric,
        "name": name,
        "value": value,
    }
