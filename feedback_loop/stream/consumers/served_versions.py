"""Served versions: the first answer of each version of a model, which is when a promotion has reached its users."""

from datetime import datetime
from typing import Any, ClassVar

from psycopg import Cursor
from sqlmodel import SQLModel

from feedback_loop.stream.consumers._base import Batch, Consumer, Row
from feedback_loop.stream.tables import ServedVersion

MEET = """
INSERT INTO served_versions (project_id, model_name, model_version, first_offset, first_answer_at)
SELECT * FROM unnest(%s::int[], %s::text[], %s::text[], %s::bigint[], %s::timestamptz[])
ON CONFLICT (project_id, model_name, model_version) DO NOTHING
"""


class ServedVersions(Consumer):
    """Keeps one row for every version that has answered."""

    name: ClassVar[str] = "served_versions"
    tables: ClassVar[tuple[type[SQLModel], ...]] = (ServedVersion,)

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Adds the versions that answer for the first time."""
        first: dict[tuple[Any, ...], Row] = {}
        for event in batch.events:
            if event.inference is not None:
                row = event.inference
                first.setdefault((row["project_id"], row["model_name"], row["model_version"]), row)
        if first:
            rows = [(*key, row["log_offset"], row["occurred_at"]) for key, row in sorted(first.items())]
            cursor.execute(MEET, [list(column) for column in zip(*rows, strict=True)])
