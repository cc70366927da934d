"""Rules and alerts over HTTP: define what is watched, see what was decided and why; always of the key's own project."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from msgspec import Meta
from sqlmodel import Session, col, select

from api import openapi
from api.access import AdminKey, Reading, ReadKey, decider_of
from api.json_bodies import Body, body, cursor_of, described
from feedback_ingest.clock import utc_now
from feedback_ingest.errors import Fault
from feedback_ingest.project_log import first_offset
from feedback_ingest.receive import Sender, refuse
from feedback_loop.learning.rules import Rule
from feedback_loop.stream.backtesting import Past, backtest, read_upto
from feedback_loop.stream.ruling.rule_book import ProjectRules, Standard, defaults_of
from feedback_loop.stream.ruling.tables import RuleDecision
from feedback_loop.stream.tables import Alert

router = APIRouter(tags=["rules"])
PAGE = 100
Start = Annotated[str, Meta(max_length=64)]
Words = Annotated[str | None, Query(max_length=256)]


class Since(Body):
    """Where in the log a backtest begins: earliest, offset:N, ts:RFC3339 or last:24h."""

    start: Start = "earliest"


class Draft(Body):
    """A rule that is not defined yet, and where a backtest of it begins."""

    rule: Rule
    start: Start = "earliest"


@router.get("/v1/rules", summary="The rules in force")
def list_rules(sender: ReadKey, request: Request, session: Reading) -> dict[str, Any]:
    """By id; a rule of version 0 is a default, which holds until the project defines or deletes it."""
    return {"rules": [_shown(standard) for standard in _rules(request, sender, session).every()]}


@router.post(
    "/v1/rules",
    status_code=201,
    summary="Define a rule, or change one",
    openapi_extra=described(Rule),
    responses=openapi.CHANGED,
)
def define_rule(
    sender: AdminKey, request: Request, response: Response, session: Reading, wanted: Annotated[Rule, body(Rule)]
) -> dict[str, Any]:
    """In force from its place in the log on; what happened before is not decided again."""
    rules = _rules(request, sender, session)
    is_new = all(known.rule.rule_id != wanted.rule_id for known in rules.every())
    rules.define(wanted, decider_of(request, sender), utc_now())
    answer = _shown(rules.find(wanted.rule_id))
    session.commit()
    response.status_code = 201 if is_new else 200
    return answer


@router.get("/v1/rules/{rule_id}", summary="One rule, and what it last decided")
def show_rule(rule_id: str, sender: ReadKey, request: Request, session: Reading) -> dict[str, Any]:
    """For each model version: the last verdict with its reason, fired or not, and the newest changes of it."""
    standard = _rules(request, sender, session).find(rule_id)
    wanted = select(RuleDecision).where(RuleDecision.project_id == sender.project_id, RuleDecision.rule_id == rule_id)
    newest_first = wanted.order_by(col(RuleDecision.decided_at).desc()).limit(PAGE)
    decisions = [row.model_dump(exclude={"project_id", "rule_id"}) for row in session.exec(newest_first)]
    return {**_shown(standard), "decisions": decisions}


@router.delete("/v1/rules/{rule_id}", summary="Take a rule back")
def remove_rule(rule_id: str, sender: AdminKey, request: Request, session: Reading) -> dict[str, Any]:
    """A default rule can be taken back too. What it raised stays as it is."""
    _rules(request, sender, session).remove(rule_id, decider_of(request, sender), utc_now())
    session.commit()
    return {"removed": rule_id}


@router.post(
    "/v1/rules/backtest", summary="What a rule that is not defined yet would have told", openapi_extra=described(Draft)
)
def backtest_draft(
    sender: AdminKey, request: Request, session: Reading, wanted: Annotated[Draft, body(Draft)]
) -> dict[str, Any]:
    """As POST /v1/rules/{rule_id}/backtest; the rule is judged as if it were defined, and is not."""
    rules = _rules(request, sender, session)
    refuse([Fault(f"/rule{fault.pointer}", fault.code) for fault in wanted.rule.faults(rules.known())])
    return _backtested(request, sender, session, wanted.rule, wanted.start)


@router.post("/v1/rules/{rule_id}/backtest", summary="What a rule would have told", openapi_extra=described(Since))
def backtest_rule(
    rule_id: str, sender: AdminKey, request: Request, session: Reading, wanted: Annotated[Since, body(Since)]
) -> dict[str, Any]:
    """The log's history as far as the stream has read it, from `start` (earliest, offset:N, ts:…, last:24h) on.

    At most 500,000 events; `is_complete` is false where there are more, and `last_offset` says how far it came.
    """
    rule = _rules(request, sender, session).find(rule_id).rule
    return _backtested(request, sender, session, rule, wanted.start)


@router.get("/v1/alerts", summary="What rules raised, and what recovered, newest first")
def list_alerts(
    sender: ReadKey,
    session: Reading,
    rule: Words = None,
    model_name: Words = None,
    model_version: Words = None,
    state: Literal["raised", "recovered"] | None = None,
    cursor: Words = None,
) -> dict[str, Any]:
    """A hundred a page."""
    wanted = select(Alert).where(Alert.project_id == sender.project_id)
    filters = {"rule": rule, "model_name": model_name, "model_version": model_version, "state": state}
    for name, value in filters.items():
        if value is not None:
            wanted = wanted.where(getattr(Alert, name) == value)
    skipped = cursor_of(cursor) or 0
    order = (col(Alert.cause_offset).desc(), col(Alert.occurred_at).desc(), col(Alert.alert_id))
    rows = session.exec(wanted.order_by(*order).offset(skipped).limit(PAGE)).all()
    next_cursor = str(skipped + PAGE) if len(rows) == PAGE else None
    return {"alerts": [row.model_dump(exclude={"project_id"}) for row in rows], "next_cursor": next_cursor}


def _rules(request: Request, sender: Sender, session: Session) -> ProjectRules:
    settings = request.app.state.receiving.door.settings
    return ProjectRules(session, sender.project_id, defaults_of(settings))


def _backtested(request: Request, sender: Sender, session: Session, rule: Rule, start: str) -> dict[str, Any]:
    receiving = request.app.state.receiving
    past = Past(
        sender.project_id, first_offset(session, sender.project_id, start, utc_now(), "/start"), read_upto(session)
    )
    session.rollback()
    found = backtest(receiving.database, receiving.door.settings, past, rule)
    return {**found._asdict(), "fired": found.fired}


def _shown(standard: Standard) -> dict[str, Any]:
    added = {"version": standard.version, "offset": standard.log_offset or None}
    return {**standard.rule.as_data(), **added}
