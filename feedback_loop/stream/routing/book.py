"""The book of routes: every definition a project ever gave or took back, kept with the fact that says so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlmodel import Session, col, select

from feedback_ingest.decisions import Decider
from feedback_ingest.errors import Fault, NotFound
from feedback_ingest.receive import refuse
from feedback_loop.learning.routes import EVERYTHING, Definition, Placed, Route, book_of
from feedback_loop.stream.definitions import Said, Shelf
from feedback_loop.stream.routing.tables import HeldFeedback, RouteCount, RouteDefinition
from feedback_loop.stream.webhooks.tables import WebhookEndpoint

ROUTES = Shelf("route", "route", RouteDefinition, msgspec.json.Decoder(Route).decode)
RELEASED = "hold_released"
UNROUTED = ""


class Counted(NamedTuple):
    """A route in force with how often it was defined (0: the default), its fact's offset and what it took."""

    route: Route
    version: int
    log_offset: int
    events: int


def book(said: Iterable[Said[Route]]) -> dict[int, list[Placed]]:
    """The routes of every project that has any of its own."""
    return book_of(Definition(each.project_id, each.name, each.log_offset, each.definition) for each in said)


@dataclass(frozen=True, slots=True)
class ProjectRoutes:
    """The routes of one project, to be read and changed; the caller commits, soon."""

    session: Session
    project_id: int

    def placed(self) -> Sequence[Placed]:
        """Its routes, past ones too, with their parts of the log."""
        return book(ROUTES.of_project(self.session, self.project_id)).get(self.project_id, EVERYTHING)

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
        ROUTES.lock(self.session, self.project_id)
        known = {each.route.route_id: each for each in self.every()}.get(route.route_id)
        if known is None or known.route != route or not known.version:
            self._say(route.route_id, route.as_data(), decider, now)
        return known is None

    def remove(self, route_id: str, decider: Decider, now: datetime) -> None:
        """Takes a route back, the default one too; raises NotFound."""
        ROUTES.lock(self.session, self.project_id)
        if all(each.route.route_id != route_id for each in self.every()):
            raise NotFound()
        self._say(route_id, None, decider, now)

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
        return {said.name: said.version for said in ROUTES.of_project(self.session, self.project_id)}

    def _say(self, route_id: str, definition: dict[str, Any] | None, decider: Decider, now: datetime) -> None:
        ROUTES.say(self.session, self.project_id, route_id, definition, decider, now)
