"""The rolling metrics as rules and pages read them: the buckets of one metric of one model version and segment."""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Cursor

from feedback_loop.learning.ratios import Point

POINTS = """
SELECT bucket_start, numerator, denominator, weights FROM live_metrics
WHERE project_id = %s AND model_name = %s AND model_version = %s AND metric = %s AND segment = %s AND bucket_start >= %s
"""
NEWEST = """
SELECT max(bucket_start) FROM live_metrics
WHERE project_id = %s AND model_name = %s AND model_version = %s AND metric = %s AND segment = %s
"""


class Series(NamedTuple):
    """One metric of one version of one model of one project, in one segment (empty: all)."""

    project_id: int
    model_name: str
    model_version: str
    metric: str
    segment: str = ""


def points(cursor: Cursor[Any], series: Series, since: datetime) -> list[Point]:
    """The buckets that start at `since` or later, in no order."""
    return [Point(*row) for row in cursor.execute(POINTS, (*series, since)).fetchall()]


def newest(cursor: Cursor[Any], series: Series) -> datetime | None:
    """The start of the newest bucket; None where there is none."""
    row = cursor.execute(NEWEST, series).fetchone()
    return row[0] if row else None
