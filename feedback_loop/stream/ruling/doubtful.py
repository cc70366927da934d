"""Items for people: the answers behind an alert that they are asked to look at, the worst and newest first."""

from datetime import timedelta
from typing import Any

from psycopg import Cursor

from feedback_loop.learning.rules import Decision, Rule
from feedback_loop.stream.ruling.metric_points import Series
from feedback_loop.stream.ruling.voices import SAID, said_in

MOST = 20
LOOKED_AT = 2_000
"""So many of the newest changes of attribution are looked at, however long the window."""

# Of several who spoke of one answer the worst stands for all: one look at it is enough.
BEHIND = f"""
WITH newest AS MATERIALIZED (
    SELECT project_id, feedback_id FROM attribution_changes WHERE cause_offset <= %(upto)s
    ORDER BY cause_offset DESC LIMIT %(looked_at)s
), told AS (
    SELECT DISTINCT ON (f.inference_request_id) f.inference_request_id, f.feedback_id, f.log_offset,
           coalesce(f.correct::int::float, f.reward, 0.5) * %(sign)s AS worth
    {SAID} AND (f.project_id, f.feedback_id) IN (SELECT project_id, feedback_id FROM newest)
    ORDER BY f.inference_request_id, worth, f.log_offset DESC
)
SELECT inference_request_id, feedback_id, log_offset FROM told ORDER BY worth, log_offset DESC LIMIT %(most)s
"""


def items(cursor: Cursor[Any], rule: Rule, series: Series, found: Decision, upto_offset: int) -> list[dict[str, Any]]:
    """The feedback that made a rule fire, each with its inference_request_id, feedback_id and log_offset."""
    window = timedelta(seconds=rule.window_s)
    bounds = {"upto": upto_offset, "looked_at": LOOKED_AT, "most": MOST, "sign": 1 if rule.is_low else -1}
    asked = said_in(series, found.moment - window, found.moment) | bounds
    rows = cursor.execute(BEHIND, asked).fetchall()
    return [{"inference_request_id": about, "feedback_id": name, "log_offset": offset} for about, name, offset in rows]
