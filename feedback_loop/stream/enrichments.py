"""What was added to feedback, read back from live_enrichments."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from psycopg import Cursor

from feedback_loop.learning.enrichers import told
from feedback_loop.stream.writing import pairs

Key = tuple[int, str]

ADDED = """
SELECT e.project_id, e.feedback_id, e.source, e.answer FROM unnest(%s::int[], %s::text[]) AS k(project_id, id)
JOIN live_enrichments e ON e.project_id = k.project_id AND e.feedback_id = k.id
ORDER BY e.source
"""


def added_to(cursor: Cursor[Any], keys: Collection[Key]) -> dict[Key, dict[str, Any]]:
    """What the enrichers said of the feedback of `keys`, by (project_id, feedback_id)."""
    found = defaultdict(list)
    for project_id, feedback_id, source, answer in cursor.execute(ADDED, pairs(keys)).fetchall() if keys else ():
        found[project_id, feedback_id].append((source, answer))
    return {key: told(answers) for key, answers in found.items()}
