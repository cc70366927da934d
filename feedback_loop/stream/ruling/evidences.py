"""What sequential tests hold against chance, kept from batch to batch for each rule that has one.

It grows with what arrives, and is not read from the log again: a rebuild leaves it, and where it is lost a test begins
anew, which only makes it slower to tell.
"""

from collections.abc import Iterable
from typing import Any

from psycopg import Cursor

from feedback_loop.learning.sequential import Growth, grow
from feedback_loop.learning.watching import Moved
from feedback_loop.stream.ruling.metric_points import Series
from feedback_loop.stream.ruling.rule_book import Standard
from feedback_loop.stream.writing import json_text

FIND = """
SELECT samples, grown, heaviest FROM rule_evidence
WHERE (project_id, rule_id, model_name, model_version, segment, rule_version) = (%s, %s, %s, %s, %s, %s)
"""
KEEP = """
INSERT INTO rule_evidence
    (project_id, rule_id, model_name, model_version, segment, rule_version, samples, grown, heaviest)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (project_id, rule_id, model_name, model_version, segment)
DO UPDATE SET rule_version = excluded.rule_version, samples = excluded.samples, grown = excluded.grown,
              heaviest = excluded.heaviest
"""


def grown(cursor: Cursor[Any], standard: Standard, series: Series, moved: Iterable[Moved]) -> Growth:
    """The evidence with what a batch adds to it; nothing stands of another version of the rule."""
    found = cursor.execute(FIND, _key(standard, series)).fetchone()
    growth = Growth(found[0], tuple(found[1]), found[2]) if found else Growth()
    good, samples, heaviest = 0.0, 0.0, 1.0
    for movement in moved:
        good, samples = good + float(movement.numerator), samples + float(movement.denominator)
        heaviest = max(heaviest, float(movement.heaviest))
    threshold = standard.rule.threshold
    if not standard.rule.is_low:
        good, threshold = samples - good, 1 - threshold
    return grow(growth, threshold, good, samples, heaviest)


def keep(cursor: Cursor[Any], standard: Standard, series: Series, growth: Growth) -> None:
    """Keeps it for the next batch."""
    cursor.execute(KEEP, (*_key(standard, series), growth.samples, json_text(growth.grown), growth.heaviest))


def _key(standard: Standard, series: Series) -> tuple[Any, ...]:
    project, model, version, _, segment = series
    return project, standard.rule.rule_id, model, version, segment, standard.version
