"""Routing: each feedback goes to every place that a route in force at its offset leads to, or is held back first."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from psycopg import Cursor
from sqlmodel import SQLModel

from feedback_loop.learning.notices import Notice, notice
from feedback_loop.learning.routes import Placed, Route, held_until, sinks_of, taking
from feedback_loop.stream.consumers._base import Batch, Change, Consumer, Event, Row
from feedback_loop.stream.enrichments import added_to
from feedback_loop.stream.flagging.flags import CHANNEL
from feedback_loop.stream.routing import holds
from feedback_loop.stream.routing.book import ROUTES, UNROUTED, book
from feedback_loop.stream.routing.tables import HeldFeedback, HoldEnd, ReplayCandidate, ReviewCandidate, RouteCount
from feedback_loop.stream.ruling.alerting import REVIEW_REQUESTED
from feedback_loop.stream.waits import Due
from feedback_loop.stream.webhooks.outbox import send
from feedback_loop.stream.writing import json_text, pairs

COUNT = """
INSERT INTO route_counts AS c (project_id, route_id, events) SELECT * FROM unnest(%s::int[], %s::text[], %s::bigint[])
ON CONFLICT (project_id, route_id) DO UPDATE SET events = c.events + excluded.events
"""
CANDIDATES = {"review": "review_candidates", "replay_buffer": "replay_candidates"}
ADD = "INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s) ON CONFLICT DO NOTHING"
REMOVE = """
DELETE FROM {table} t USING unnest(%s::int[], %s::text[]) AS k(project_id, id)
WHERE t.project_id = k.project_id AND t.feedback_id = k.id
"""
TOLD = ("feedback_id", "inference_request_id", "feedback_type", "model_name", "model_version", "metric")

Book = dict[int, list[Placed]]


class Routing(Consumer):
    """Tells the training queue what to leave out and what to let in; writes candidates, messages and counts itself."""

    name: ClassVar[str] = "routing"
    after: ClassVar[tuple[str, ...]] = ("attribution",)
    tables: ClassVar[tuple[type[SQLModel], ...]] = (HeldFeedback, HoldEnd, ReviewCandidate, ReplayCandidate, RouteCount)
    relays: ClassVar[bool] = True

    def apply(self, batch: Batch, cursor: Cursor[Any], now: datetime) -> None:
        """Fills `batch.kept_out` and `batch.let_in`; a feedback is routed anew when its inference becomes known."""
        ROUTES.learn(
            cursor, [event.row for event in batch.events if event.feedback is None and event.inference is None]
        )
        known = book(ROUTES.upto(cursor, batch.last_offset))
        ends = holds.ends_of((event.row, event.feedback) for event in batch.events)
        taken = [(change, known[p]) for change in batch.changes if (p := change.after["project_id"]) in known]
        if taken:
            self._route(batch, cursor, taken, ends, now)
        _write_candidates(cursor, "review_candidates", _asked_for(batch.events), ())
        self._let_in(batch, cursor, known, ends)
        _count(cursor, batch.changes, known)

    def next_due(self, cursor: Cursor[Any]) -> Due | None:
        """The hold that expires next."""
        return holds.next_end(cursor)

    def _route(
        self,
        batch: Batch,
        cursor: Cursor[Any],
        taken: Sequence[tuple[Change, Sequence[Placed]]],
        ends: holds.Ends,
        now: datetime,
    ) -> None:
        last = {_key(change.after): (change, taking(change.after, placed)) for change, placed in taken}
        held, ended = holds.hold(cursor, [(change.after, routes) for change, routes in last.values()], ends)
        batch.kept_out |= {key for key, (_, routes) in last.items() if "training_queue" not in sinks_of(routes)} | held
        for key, offset in ended.items():
            change = last[key][0]
            batch.let_in.append(change._replace(cause_offset=max(change.cause_offset, offset)))
        undone = [key for key, (change, _) in last.items() if change.after["is_undone"]]
        holds.drop(cursor, undone)
        new = [(change, route) for change, route in _newly_taken(taken) if _key(change.after) not in set(undone)]
        looked_at = [(change, route) for change, route in _newly_known(taken) if _key(change.after) not in set(undone)]
        for (sink, table), found in zip(CANDIDATES.items(), (looked_at, new), strict=True):
            rows = [_candidate(change, route) for change, route in found if sink in route.sinks]
            _write_candidates(cursor, table, rows, undone)
        if not batch.is_replay:
            told = [(_notice(change.after, route), route.webhook_id) for change, route in new if route.webhook_id]
            send(cursor, told, now)

    def _let_in(self, batch: Batch, cursor: Cursor[Any], known: Book, ends: holds.Ends) -> None:
        """What is free now and has not changed besides: a change lets it in by itself.

        Where attribution is ahead of this batch, an inference that is yet to come brings such a change.
        """
        waiting = holds.end(cursor, ends) - {_key(change.after) for change in batch.changes}
        batch.enriched |= added_to(cursor, waiting)
        for row, inference in holds.load(cursor, waiting):
            is_known = row["inference_offset"] is not None and row["inference_offset"] <= batch.last_offset
            routes = taking(row, known.get(row["project_id"], ()))
            until = held_until(row, routes)
            if is_known and until is not None and "training_queue" in sinks_of(routes):
                batch.let_in.append(Change(ends.first(row, until) or batch.last_offset, row, row, inference))


def _newly_taken(taken: Iterable[tuple[Change, Sequence[Placed]]]) -> Iterable[tuple[Change, Route]]:
    """Each change of a feedback with the routes that take it now and did not before."""
    for change, placed in taken:
        before = taking(change.before, placed) if change.before is not None else []
        for route in taking(change.after, placed):
            if route not in before:
                yield change, route


def _newly_known(taken: Iterable[tuple[Change, Sequence[Placed]]]) -> Iterable[tuple[Change, Route]]:
    """The same of those whose inference is known: nobody can judge an answer that is not in the log."""
    for change, placed in taken:
        if change.after["inference_offset"] is not None:
            was_known = change.before is not None and change.before["inference_offset"] is not None
            yield from _newly_taken([(change if was_known else change._replace(before=None), placed)])


def _count(cursor: Cursor[Any], changes: Iterable[Change], known: Book) -> None:
    """Adds what each route took anew, and what none took; a feedback that is taken later is no longer unrouted."""
    counts: Counter[holds.Key] = Counter()
    for change in changes:
        project_id = change.after["project_id"]
        if project_id in known:
            counts.update({(project_id, name): 1 for name in _names(change.after, known[project_id])})
            if change.before is not None:
                counts.subtract({(project_id, name): 1 for name in _names(change.before, known[project_id])})
        elif change.before is None:
            counts[project_id, "default"] += 1
    moved = {key: count for key, count in sorted(counts.items()) if count}
    if moved:
        cursor.execute(COUNT, (*pairs(moved), list(moved.values())))


def _names(row: Row, placed: Sequence[Placed]) -> set[str]:
    return {route.route_id for route in taking(row, placed)} or {UNROUTED}


def _write_candidates(
    cursor: Cursor[Any], table: str, rows: Sequence[Mapping[str, Any]], undone: Sequence[holds.Key]
) -> None:
    if undone:
        cursor.execute(REMOVE.format(table=table), pairs(undone))
    if rows:
        cursor.execute(ADD.format(table=table), [json_text(rows)])
        if table == "review_candidates":
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


def _candidate(change: Change, route: Route) -> dict[str, Any]:
    row = change.after
    return {
        "project_id": row["project_id"],
        "feedback_id": row["feedback_id"],
        "route_id": route.route_id,
        "inference_request_id": row["inference_request_id"],
        "log_offset": row["log_offset"],
        "reason": f"route {route.route_id}: {route.description or row['feedback_type']}",
        "received_at": row["received_at"],
        "routed_offset": change.cause_offset,
    }


def _asked_for(events: Iterable[Event]) -> list[dict[str, Any]]:
    """The candidates that alerts ask people to look at; the rule stands where a route would."""
    return [
        {
            **item,
            "project_id": row.project_id,
            "route_id": row.body["rule"],
            "reason": f"rule {row.body['rule']}: {row.body['reason']}",
            "received_at": row.received_at,
            "routed_offset": row.log_offset,
        }
        for row in (event.row for event in events if event.row.kind == REVIEW_REQUESTED)
        for item in row.body.get("items", ())
    ]


def _notice(row: Row, route: Route) -> Notice:
    occurred_at = row["occurred_at"]
    moment = datetime.fromisoformat(occurred_at) if isinstance(occurred_at, str) else occurred_at
    data = {"route_id": route.route_id, **{name: row[name] for name in TOLD if row[name] is not None}}
    return notice(row["project_id"], "feedback.routed", f"{row['feedback_id']}\0{route.route_id}", data, moment)


def _key(row: Row) -> holds.Key:
    return row["project_id"], row["feedback_id"]
