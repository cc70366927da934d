"""A Parquet file of features with their times, looked up as they were when the model answered."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar

from feedback_ingest.errors import SetupError
from feedback_ingest.settings import Settings
from feedback_loop.learning.context import About
from feedback_loop.stream.context_sources._base import (
    Answers,
    ContextSource,
    Name,
    Options,
    Question,
    Row,
    SourceAway,
)
from feedback_loop.stream.context_sources._entities import entity_of

# The newest row of the entity that is not newer than the moment; what is asked about keeps its place.
LOOK_UP = """
SELECT q.place, {columns} FROM asked q
ASOF LEFT JOIN read_parquet($path) f ON f.{entity}::VARCHAR = q.entity AND f.{at}::TIMESTAMPTZ <= q.moment
WHERE f.{at} IS NOT NULL
"""


class FileOptions(Options, kw_only=True):
    """`entity` and `at` name the file's columns of whose features, and since when; `columns` what is looked up.

    `entity_from` names the input that says whose features are meant, by a dotted path.
    """

    path: Name
    entity: Name
    at: Name
    columns: list[Name]
    entity_from: Name


class FeatureFile(ContextSource):
    """Looks up `columns` of a Parquet file, or of several by a pattern: the row that was in force at the answer."""

    name: ClassVar[str] = "feature_file"
    about: ClassVar[About] = "inference_request_id"
    shape: ClassVar[type[Options]] = FileOptions

    def __init__(self, called: str, options: FileOptions, settings: Settings) -> None:
        super().__init__(called, options, settings)
        if not options.columns:
            raise SetupError(f"{called}/columns: name at least one column")

    def question(self, feedback: Row, inference: Row) -> Question | None:
        """The inference, with its entity and its moment."""
        return entity_of(inference, self.options.entity_from)

    async def ask(self, project: str, questions: Sequence[Question], now: datetime) -> Answers:
        """One join for all of them, in a thread."""
        try:
            async with asyncio.timeout(self.options.timeout_s):
                return await asyncio.to_thread(self._looked_up, questions)
        except TimeoutError as error:
            raise SourceAway("timeout") from error

    def _looked_up(self, questions: Sequence[Question]) -> Answers:
        import duckdb
        import pyarrow as pa

        asked = pa.table(
            {
                "place": pa.array(range(len(questions)), pa.int64()),
                "entity": pa.array([question.subject["entity"] for question in questions], pa.string()),
                "moment": pa.array(
                    [datetime.fromisoformat(question.subject["at"]) for question in questions],
                    pa.timestamp("us", "UTC"),
                ),
            }
        )
        names = {name: _quoted(getattr(self.options, name)) for name in ("entity", "at")}
        columns = ", ".join(f"f.{_quoted(name)}" for name in self.options.columns)
        try:
            with duckdb.connect() as connection:
                connection.execute("SET TimeZone = 'UTC'")
                connection.register("asked", asked)
                query = LOOK_UP.format(columns=columns, **names)
                rows = connection.execute(query, {"path": self.options.path}).fetchall()
        except duckdb.Error as error:
            raise SourceAway("unreadable") from error
        known = {row[0]: dict(zip(self.options.columns, map(_plain, row[1:]), strict=True)) for row in rows}
        found = {question.about: known.get(place) for place, question in enumerate(questions)}
        return Answers(_version(self.options.path), found)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain(value: Any) -> Any:
    """What JSON has for a value of a column."""
    if isinstance(value, float | Decimal):
        return float(value) if isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _version(path: str) -> str:
    """Size and time of a file, which tell one version of it from another; a pattern has none."""
    try:
        stat = Path(path).stat()
    except OSError:
        return "unversioned"
    return f"{stat.st_size}-{stat.st_mtime_ns}"
