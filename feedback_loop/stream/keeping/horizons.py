"""The bounds of the metrics' tables: kept for each model, moved on with its newest answer."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from psycopg import Cursor

from feedback_ingest.settings import Settings
from feedback_loop.learning.keeping import COARSE_S, Horizon, Model
from feedback_loop.stream.writing import pairs

FIND = """
SELECT h.project_id, h.model_name, h.fine_from, h.kept_from FROM unnest(%s::int[], %s::text[]) AS k(p, m)
JOIN live_horizons h ON h.project_id = k.p AND h.model_name = k.m
"""
KEEP = """
INSERT INTO live_horizons (project_id, model_name, fine_from, kept_from) VALUES (%s, %s, %s, %s)
ON CONFLICT (project_id, model_name) DO UPDATE SET fine_from = excluded.fine_from, kept_from = excluded.kept_from
"""
FORGET = "DELETE FROM {table} WHERE project_id = %s AND model_name = %s AND bucket_start < %s"
# What stands on the hour stays where it is, so nothing is put where something is taken from.
COARSEN = f"""
WITH hourly AS (
    DELETE FROM live_metrics
    WHERE project_id = %s AND model_name = %s AND bucket_start >= %s AND bucket_start < %s
      AND extract(epoch FROM bucket_start)::bigint %% {COARSE_S} <> 0
    RETURNING *, to_timestamp(extract(epoch FROM bucket_start)::bigint / {COARSE_S} * {COARSE_S}) AS hour
)
INSERT INTO live_metrics AS m (
    project_id, model_name, model_version, metric, segment, bucket_start, numerator, denominator, squares, weights)
SELECT project_id, model_name, model_version, metric, segment, hour,
       sum(numerator), sum(denominator), sum(squares), sum(weights)
FROM hourly GROUP BY 1, 2, 3, 4, 5, 6
ON CONFLICT (project_id, model_name, model_version, metric, segment, bucket_start)
DO UPDATE SET numerator = m.numerator + excluded.numerator, denominator = m.denominator + excluded.denominator,
              squares = m.squares + excluded.squares, weights = m.weights + excluded.weights
"""


def find(cursor: Cursor[Any], models: Collection[Model]) -> dict[Model, Horizon]:
    """The bounds of those models that have some."""
    found = cursor.execute(FIND, pairs(sorted(models))).fetchall() if models else []
    return {(project, model): Horizon(*bounds) for project, model, *bounds in found}


def move(
    cursor: Cursor[Any], known: Mapping[Model, Horizon], answered: Mapping[Model, datetime], settings: Settings
) -> dict[Model, Horizon]:
    """Moves on the bounds of models that have answered, and makes what falls behind them hourly, or forgets it."""
    moved = {}
    for model, newest in sorted(answered.items()):
        before = known.get(model, Horizon())
        after = before.moved(newest, settings.metrics_fine_days, settings.metrics_days)
        if after != before:
            moved[model] = after
            since = max(before.fine_from, after.kept_from)
            forget(cursor, "live_metrics", model, after.kept_from)
            cursor.execute(COARSEN, (*model, since, after.fine_from))
            cursor.execute(KEEP, (*model, *after))
    return moved


def forget(cursor: Cursor[Any], table: str, model: Model, before: datetime) -> None:
    """Deletes a model's buckets of an earlier time."""
    cursor.execute(FORGET.format(table=table), (*model, before))
