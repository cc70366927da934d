"""A PostgreSQL table of features with their times, looked up as they were when the model answered."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
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

LOOK_UP = """
SELECT q.place, to_jsonb(f) FROM unnest(%s::text[], %s::timestamptz[]) WITH ORDINALITY AS q(entity, moment, place)
CROSS JOIN LATERAL (
    SELECT {columns} FROM {table} t WHERE t.{entity}::text = q.entity AND t.{at} <= q.moment
    ORDER BY t.{at} DESC LIMIT 1) f
"""


class TableOptions(Options, kw_only=True):
    """`url_file` holds the database's URL; `table` may have a schema before a dot; the rest as of a feature_file.

    The version that is told is the snapshot of the database that was read.
    """

    url_file: Name
    table: Name
    entity: Name
    at: Name
    columns: list[Name]
    entity_from: Name


class FeatureTable(ContextSource):
    """Looks up `columns` of a table in PostgreSQL: the row that was in force at the answer."""

    name: ClassVar[str] = "feature_table"
    about: ClassVar[About] = "inference_request_id"
    shape: ClassVar[type[Options]] = TableOptions

    def __init__(self, called: str, options: TableOptions, settings: Settings) -> None:
        super().__init__(called, options, settings)
        if not options.columns:
            raise SetupError(f"{called}/columns: name at least one column")
        try:
            self._url = Path(options.url_file).read_text().strip()
        except OSError as error:
            raise SetupError(f"{called}/url_file: cannot read {options.url_file}: {error.strerror}") from error

    def question(self, feedback: Row, inference: Row) -> Question | None:
        """The inference, with its entity and its moment."""
        return entity_of(inference, self.options.entity_from)

    async def ask(self, project: str, questions: Sequence[Question], now: datetime) -> Answers:
        """One statement for all of them, in a thread; it is ended when its time is over."""
        return await asyncio.to_thread(self._looked_up, questions)

    def _looked_up(self, questions: Sequence[Question]) -> Answers:
        import psycopg
        from psycopg.sql import SQL, Identifier

        options = self.options
        query = SQL(LOOK_UP).format(
            columns=SQL(", ").join(map(Identifier, options.columns)),
            table=Identifier(*options.table.split(".")),
            entity=Identifier(options.entity),
            at=Identifier(options.at),
        )
        asked = (
            [question.subject["entity"] for question in questions],
            [datetime.fromisoformat(question.subject["at"]) for question in questions],
        )
        limits = f"-c statement_timeout={int(options.timeout_s * 1000)} -c default_transaction_read_only=on"
        connect_s = max(2, int(options.timeout_s))
        try:
            with psycopg.connect(self._url, options=limits, connect_timeout=connect_s) as connection:
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                known: dict[int, dict[str, Any]] = dict(connection.execute(query, asked).fetchall())
                [version] = connection.execute("SELECT pg_current_snapshot()::text").fetchone() or [""]
        except psycopg.errors.QueryCanceled as error:
            raise SourceAway("timeout") from error
        except psycopg.OperationalError as error:
            raise SourceAway("unreachable") from error
        except psycopg.Error as error:
            raise SourceAway("unreadable") from error
        found = {question.about: known.get(place) for place, question in enumerate(questions, 1)}
        return Answers(version, found)
