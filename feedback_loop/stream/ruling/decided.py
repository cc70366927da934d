"""What rules last decided, fired or not: one row a rule and model version, with the newest changes of its verdict."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby, zip_longest
from typing import Any

from psycopg import Cursor

from feedback_loop.learning.rules import Decision
from feedback_loop.stream.ruling.metric_points import Series
from feedback_loop.stream.ruling.rule_book import Standard
from feedback_loop.stream.writing import json_text

# The same verdict with other figures is written once a second at most.
KEEP = """
INSERT INTO rule_decisions AS d SELECT * FROM json_populate_recordset(NULL::rule_decisions, %s)
ON CONFLICT (project_id, rule_id, model_name, model_version, segment) DO UPDATE
SET verdict = excluded.verdict, reason = excluded.reason, value = excluded.value, samples = excluded.samples,
    cause_offset = excluded.cause_offset, occurred_at = excluded.occurred_at, decided_at = excluded.decided_at,
    changes = CASE WHEN d.verdict = excluded.verdict THEN d.changes
              ELSE jsonb_path_query_array(excluded.changes || d.changes, '$[0 to 19]') END
WHERE d.verdict <> excluded.verdict OR d.decided_at < excluded.decided_at - interval '1 second'
"""


def keep_decisions(
    cursor: Cursor[Any],
    decided: Iterable[tuple[Standard, Series, Sequence[Decision]]],
    cause_offset: int,
    now: datetime,
) -> None:
    """Keeps the last decision of every run of equal verdicts, in order; `decided` has each rule and series once."""
    runs = [
        [_row(standard, series, list(run)[-1], cause_offset, now) for _, run in groupby(every, lambda one: one.verdict)]
        for standard, series, every in decided
    ]
    for step in zip_longest(*runs):
        cursor.execute(KEEP, [json_text([row for row in step if row is not None])])


def _row(standard: Standard, series: Series, found: Decision, cause_offset: int, now: datetime) -> dict[str, Any]:
    told = {
        "verdict": found.verdict,
        "reason": found.reason,
        "value": None if found.value is None else float(found.value),
        "samples": found.samples,
        "cause_offset": cause_offset,
        "occurred_at": found.moment,
        "decided_at": now,
    }
    place = {
        "project_id": series.project_id,
        "rule_id": standard.rule.rule_id,
        "model_name": series.model_name,
        "model_version": series.model_version,
        "segment": series.segment,
    }
    return {**place, **told, "changes": [{**told, "rule_version": standard.version}]}
