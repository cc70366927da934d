"""The book of routes: every definition a project ever gave or took back, kept with the fact that says so."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from psycopg import Cursor
from sqlalchemy import text
from sqlmodel import Session, col, func, select

from feedback_ingest.decisions import Decider
from feedback_ingest.errors import Fault, NotFound
from feedback_ingest.log import LogRow
from feedback_ingest.receive import refuse
from feedback_loop.learning.routes import EVERYTHING, Definition, Placed, Route, book_of
from feedback_loop.stream.routing.tables import HeldFeedback, RouteCount, RouteDefinition
from feedback_loop.stream.webhooks.tables import WebhookEndpoint
from feedback_loop.stream.writing import json_text

logger = logging.getLogger("feedback.stream")

DEFINED, REMOVED, RELEASED = "route_defined", "route_removed", "hold_released"
UNROUTED = ""

DEFINITIONS = "SELECT project_id, route_id, log_offset, definition::text FROM routes WHERE log_offset <= %s"
LEARN = "INSERT INTO routes SELECT * FROM json_populate_recordset(NULL::routes, %s) ON CONFLICT DO NOTHING"


class Counted(NamedTuple):
    """A route in force with how often it was defined (0: the default), its fact's offset and what it took."""

    route: Route
    version: int
    log_offset: int
    events: int


def learn(cursor: Cursor[Any], rows: Sequence[LogRow]) -> None:
    """Keeps the definitions that stand in the log; those that are known already change nothing."""
    told = [
        {
            "project_id": row.project_id,
            "route_id": row.body["subject"],
            "log_offset": row.log_offset,
            "version": row.body["version"],
            "definition": row.body.get("route"),
            "defined_at": row.received_at,
        }
        for row in rows
        if row.kind in (DEFINED, REMOVED)
    ]
    if told:
        cursor.execute(LEARN, [json_text(told)])


def book(cursor: Cursor[Any], upto_offset: int) -> dict[int, list[Placed]]:
    """The routes of every project that has any of its own, as the log has defined them up to an offset."""
    found = cursor.execute(DEFINITIONS, [upto_offset]).fetchall()
    return book_of(
        Definition(project_id, route_id, log_offset, _read(definition) if definition else None)
        for project_id, route_id, log_offset, definition in found
    )


def book_of_facts(facts: Iterable[LogRow]) -> dict[int, list[Placed]]:
    """The same, of facts of the log."""
    return book_of(
        Definition(
            fact.project_id,
            fact.body["subject"],
            fact.log_offset,
            _read(json_text(fact.body["route"])) if fact.kind == DEFINED else None,
        )
        for fact in facts
        if fact.kind in (DEFINED, REMOVED)
    )


@dataclass(frozen=True, slots=True)
class ProjectRoutes:
    """The routes of one project, to be read and changed; the caller commits, soon."""

    session: Session
    project_id: int

    def placed(self) -> Sequence[Placed]:
        """Its routes, past ones too, with their parts of the log."""
        wanted = select(RouteDefinition).where(RouteDefinition.project_id == self.project_id)
        definitions = [
            Definition(row.project_id, row.route_id, row.log_offset, _read(json_text(row.definition)))
            if row.definition
            else Definition(row.project_id, row.route_id, row.log_offset, None)
            for row in self.session.exec(wanted)
        ]
        return book_of(definitions).get(self.project_id, EVERYTHING)

    def every(self) -> list[Counted]:
        """The routes in force, by id."""
        versions = self._versions()
        counts = self.counts()
        found = [
            Counted(
                each.route,
                versions.get(each.route.route_id, 0) if each.after else 0,
                each.after,
                counts.get(each.route.route_id, 0),
            )
            for each in self.placed()
            if each.upto is None
        ]
        return sorted(found, key=lambda each: each.route.route_id)

    def counts(self) -> dict[str, int]:
        """How much feedback each route took, and under UNROUTED how much none did."""
        wanted = select(RouteCount).where(RouteCount.project_id == self.project_id)
        return {row.route_id: row.events for row in self.session.exec(wanted)}

    def define(self, route: Route, decider: Decider, now: datetime) -> bool:
        """Defines a route, or changes it; True where it was not there. Raises ValidationFailed."""
        self._check(route)
        self._lock()
        known = {each.route.route_id: each for each in self.every()}.get(route.route_id)
        if known is None or known.route != route or not known.version:
            self._write(route.route_id, route.as_data(), decider, now)
        return known is None

    def remove(self, route_id: str, decider: Decider, now: datetime) -> None:
        """Takes a route back, the default one too; raises NotFound."""
        self._lock()
        if all(each.route.route_id != route_id for each in self.every()):
            raise NotFound()
        self._write(route_id, None, decider, now)

    def held(self, limit: int) -> list[HeldFeedback]:
        """What is held back now, the next to end first."""
        wanted = select(HeldFeedback).where(HeldFeedback.project_id == self.project_id)
        return list(self.session.exec(wanted.order_by(col(HeldFeedback.held_until)).limit(limit)))

    def release(self, feedback_id: str, decider: Decider, now: datetime) -> None:
        """Ends the hold of one feedback; the stream lets it in as it reads of it. Raises NotFound."""
        if self.session.get(HeldFeedback, (self.project_id, feedback_id)) is None:
            raise NotFound()
        decider.record(self.session, self.project_id, RELEASED, feedback_id, now)

    def _check(self, route: Route) -> None:
        faults = route.faults()
        if route.webhook_id is not None and not faults:
            endpoint = self.session.get(WebhookEndpoint, route.webhook_id)
            if endpoint is None or endpoint.project_id != self.project_id:
                faults = [Fault("/webhook_id", "not-registered")]
        refuse(faults)

    def _versions(self) -> dict[str, int]:
        wanted = select(RouteDefinition.route_id, func.max(RouteDefinition.version)).where(
            RouteDefinition.project_id == self.project_id
        )
        return dict(self.session.exec(wanted.group_by(RouteDefinition.route_id)).all())

    def _write(self, route_id: str, definition: dict[str, Any] | None, decider: Decider, now: datetime) -> None:
        version = self._versions().get(route_id, 0) + 1
        told = {"version": version} | ({"route": definition} if definition else {})
        kind = DEFINED if definition else REMOVED
        row = RouteDefinition(
            project_id=self.project_id,
            route_id=route_id,
            log_offset=decider.record(self.session, self.project_id, kind, route_id, now, **told),
            version=version,
            definition=definition,
            defined_at=now,
        )
        self.session.add(row)
        self.session.flush()

    def _lock(self) -> None:
        """One change of a project's routes at a time, until the transaction ends; taken before the lock of the log."""
        key = {"key": f"routes {self.project_id}"}
        self.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)


@lru_cache(maxsize=4_096)
def _read(definition: str) -> Route | None:
    """The route; None for one that another version of the program wrote and this one cannot read."""
    try:
        return msgspec.json.decode(definition, type=Route)
    except msgspec.ValidationError:
        logger.error("a route of another version of this program is not followed: %s", definition)
        return None
