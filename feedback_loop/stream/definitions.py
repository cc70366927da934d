"""Definitions: what projects say of their rules, routes and review policies, each kept with the fact that says so."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from psycopg import Cursor
from sqlalchemy import text
from sqlmodel import Session, SQLModel

from feedback_ingest.decisions import Decider
from feedback_ingest.log import LogRow
from feedback_loop.stream.writing import json_text

logger = logging.getLogger("feedback.stream")

Thing = TypeVar("Thing")

SAID = """
SELECT project_id, {name}, log_offset, version, definition::text FROM {table}
WHERE {where} ORDER BY project_id, {name}, log_offset
"""
NEWEST = """
SELECT DISTINCT ON (project_id, {name}) project_id, {name}, log_offset, version, definition::text FROM {table}
WHERE log_offset <= %s ORDER BY project_id, {name}, log_offset DESC
"""
LEARN = "INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s) ON CONFLICT DO NOTHING"
LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


class Said(NamedTuple, Generic[Thing]):
    """What one fact of the log says of one thing: its `version`-th definition, or None where it was taken back."""

    project_id: int
    name: str
    log_offset: int
    version: int
    definition: Thing | None


@dataclass(frozen=True)
class Shelf(Generic[Thing]):
    """The definitions of one kind of thing, in a table that copies facts; a table's row is what one fact said.

    `noun` is the thing as its facts are called, `member` as their bodies name it. `decode` raises
    msgspec.ValidationError.
    """

    noun: str
    member: str
    table: type[SQLModel]
    decode: Callable[[str], Thing]

    @property
    def kinds(self) -> tuple[str, str]:
        """The facts that say a thing is defined, or taken back."""
        return f"{self.noun}_defined", f"{self.noun}_removed"

    def learn(self, cursor: Cursor[Any], rows: Sequence[LogRow]) -> None:
        """Keeps the definitions that stand in the log; those that are known already change nothing."""
        told = [
            {
                "project_id": row.project_id,
                self._name: row.body["subject"],
                "log_offset": row.log_offset,
                "version": row.body["version"],
                "definition": row.body.get(self.member),
                "defined_at": row.received_at,
            }
            for row in rows
            if row.kind in self.kinds
        ]
        if told:
            cursor.execute(LEARN.format(table=self._table), [json_text(told)])

    def upto(self, cursor: Cursor[Any], log_offset: int) -> list[Said[Thing]]:
        """What every project said up to an offset, in the order it said it of each thing."""
        return [self._read(*row) for row in cursor.execute(self._said("log_offset <= %s"), [log_offset]).fetchall()]

    def newest(self, cursor: Cursor[Any], log_offset: int) -> list[Said[Thing]]:
        """The last that every project said of each thing up to an offset."""
        wanted = NEWEST.format(name=self._name, table=self._table)
        return [self._read(*row) for row in cursor.execute(wanted, [log_offset]).fetchall()]

    def of_project(self, session: Session, project_id: int) -> list[Said[Thing]]:
        """What one project ever said, in the order it said it of each thing."""
        found = session.execute(text(self._said("project_id = :project")), {"project": project_id})
        return [self._read(*row) for row in found.all()]

    def of_facts(self, rows: Iterable[LogRow]) -> list[Said[Thing]]:
        """What facts of the log say, in their order."""
        return [
            self._read(
                row.project_id,
                row.body["subject"],
                row.log_offset,
                row.body["version"],
                json_text(row.body[self.member]) if self.member in row.body else None,
            )
            for row in rows
            if row.kind in self.kinds
        ]

    def lock(self, session: Session, project_id: int) -> None:
        """One change of a project's things at a time, until the transaction ends; taken before the lock of the log."""
        session.execute(LOCK, {"key": f"{self._table} {project_id}"})

    def say(
        self,
        session: Session,
        project_id: int,
        name: str,
        definition: dict[str, Any] | None,
        decider: Decider,
        now: datetime,
    ) -> None:
        """Appends the fact that a thing is defined so, or taken back, and keeps it; the caller has the lock."""
        versions = [said.version for said in self.of_project(session, project_id) if said.name == name]
        version = max(versions, default=0) + 1
        told = {"version": version} | ({self.member: definition} if definition else {})
        defined, removed = self.kinds
        log_offset = decider.record(session, project_id, defined if definition else removed, name, now, **told)
        row = {"log_offset": log_offset, "version": version, "definition": definition, "defined_at": now}
        session.add(self.table(project_id=project_id, **{self._name: name}, **row))
        session.flush()

    @property
    def _table(self) -> str:
        return str(self.table.__tablename__)

    @property
    def _name(self) -> str:
        return f"{self.member}_id"

    def _said(self, where: str) -> str:
        return SAID.format(name=self._name, table=self._table, where=where)

    def _read(self, project_id: int, name: str, log_offset: int, version: int, definition: str | None) -> Said[Thing]:
        return Said(project_id, name, log_offset, version, _decoded(self, definition) if definition else None)


@lru_cache(maxsize=4_096)
def _decoded(shelf: Shelf[Thing], definition: str) -> Thing | None:
    """The thing; None for one that another version of the program wrote and this one cannot read."""
    try:
        return shelf.decode(definition)
    except msgspec.ValidationError:
        logger.error("a %s of another version of this program is not followed: %s", shelf.noun, definition)
        return None
