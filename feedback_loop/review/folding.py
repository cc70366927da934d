"""Folding: what the facts of review say becomes rows; commands fold what they append, a rebuild all of the log."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.decisions import REVIEW_QUEUE_DEFINED, REVIEWS
from feedback_ingest.log import Fact, LogRow
from feedback_loop.learning.reviewing import rank_of

OPENED, SUBMITTED, SKIPPED, ESCALATED, DECIDED = REVIEWS
PIECE = 1_000

DEFINE = text("""
INSERT INTO review_queues (project_id, queue_id, version, definition, defined_at)
VALUES (:project_id, :subject, :version, CAST(:queue AS jsonb), :at)
ON CONFLICT (project_id, queue_id) DO UPDATE
SET version = excluded.version, definition = excluded.definition, defined_at = excluded.defined_at
""")
OPEN = text("""
INSERT INTO review_tasks (
    project_id, task_id, queue_id, inference_request_id, feedback_id, reason, skill, policy_id, share, priority,
    rank_at, is_gold, gold_answer, wanted, labels, free, state, opened_at)
SELECT project_id, task_id, queue_id, inference_request_id, feedback_id, reason, skill, policy_id, share, priority,
       rank_at, gold_answer IS NOT NULL, gold_answer, wanted, 0, CASE WHEN :is_again THEN 0 ELSE wanted END, 'open',
       opened_at
FROM json_populate_recordset(NULL::review_tasks, CAST(:rows AS json)) ON CONFLICT DO NOTHING
""")
ANSWER = text("""
INSERT INTO review_assignments AS a
    (project_id, task_id, reviewer, queue_id, state, lease_id, value, answer, correct, at)
SELECT t.project_id, t.task_id, :actor, t.queue_id, :state, '', CAST(:value AS jsonb), :answer,
       CASE WHEN t.is_gold AND :answer <> '' THEN t.gold_answer = :answer END, :at
FROM review_tasks t WHERE t.project_id = :project_id AND t.task_id = :subject
ON CONFLICT (project_id, task_id, reviewer) DO UPDATE
SET state = excluded.state, value = excluded.value, answer = excluded.answer, correct = excluded.correct,
    at = excluded.at, leased_until = NULL
""")
COUNT = text("""
UPDATE review_tasks SET labels = labels + 1
WHERE project_id = :project_id AND task_id = :subject AND NOT is_gold
""")
GIVE_BACK = text("""
UPDATE review_tasks SET free = free + 1
WHERE project_id = :project_id AND task_id = :subject AND state = 'open' AND NOT is_gold
""")
CLOSE = text("""
UPDATE review_tasks
SET state = :state, free = 0, outcome = CAST(:outcome AS jsonb),
    decided_at = CASE WHEN :state = 'decided' THEN CAST(:at AS timestamptz) END
WHERE project_id = :project_id AND task_id = :subject
""")
EMPTY = text("DELETE FROM review_assignments; DELETE FROM review_tasks; DELETE FROM review_queues")
FREE_AGAIN = text("UPDATE review_tasks SET free = wanted - labels WHERE state = 'open' AND NOT is_gold")


def tell(session: Session, facts: Sequence[Fact], pepper: Pepper) -> None:
    """Writes facts down, in the tables and then in the log, whose lock is held from then on; the caller commits, soon.

    All have the same time; verdicts may be among them.
    """
    fold(session, facts)
    log.append(session, facts, facts[0].occurred_at, pepper)


def fold(session: Session, facts: Iterable[Fact], is_again: bool = False) -> None:
    """Has the tables say what `facts` say; others than those of review say nothing here.

    While it is done again, with `is_again`, nobody holds a lease that a fact ends, and nothing is free before the end.
    """
    opened = []
    for fact in facts:
        given = {"project_id": fact.project_id, "at": fact.occurred_at, "value": None, "answer": "", **fact.body}
        if fact.kind == OPENED:
            opened.append(_task(fact))
        elif fact.kind == REVIEW_QUEUE_DEFINED:
            session.execute(DEFINE, given | {"queue": _json(fact.body["queue"])})
        elif fact.kind in (SUBMITTED, SKIPPED, ESCALATED):
            _open(session, opened, is_again)
            opened = []
            _answered(session, fact.kind, given, is_again)
        elif fact.kind == DECIDED:
            session.execute(CLOSE, given | {"outcome": _json(fact.body["outcome"])})
    _open(session, opened, is_again)


def rebuild(session: Session) -> int:
    """Empties the tables and folds all of the log; the last offset. Leases end. The caller commits.

    How far candidates were taken in stays as it is: what was taken is among the facts.
    """
    session.execute(EMPTY)
    at = 0
    while rows := log.read(session, at, PIECE, [REVIEW_QUEUE_DEFINED, *REVIEWS]):
        fold(session, map(_fact, rows), is_again=True)
        at = rows[-1].log_offset
    session.execute(FREE_AGAIN)
    return at


def _answered(session: Session, kind: str, given: dict[str, Any], is_again: bool) -> None:
    state = {SUBMITTED: "submitted", SKIPPED: "skipped", ESCALATED: "escalated"}[kind]
    session.execute(ANSWER, given | {"state": state, "value": _json(given["value"])})
    if kind == SUBMITTED:
        session.execute(COUNT, given)
    elif kind == SKIPPED and not is_again:
        session.execute(GIVE_BACK, given)
    elif kind == ESCALATED:
        session.execute(CLOSE, given | {"state": "escalated", "outcome": None})


def _open(session: Session, rows: list[dict[str, Any]], is_again: bool) -> None:
    if rows:
        session.execute(OPEN, {"rows": _json(rows), "is_again": is_again})


def _task(fact: Fact) -> dict[str, Any]:
    told = {"skill": "", "feedback_id": None, "gold_answer": None, "policy_id": "", "share": None, **fact.body}
    told |= {"project_id": fact.project_id, "task_id": fact.body["subject"], "opened_at": fact.occurred_at}
    return {**told, "rank_at": rank_of(told["priority"], fact.occurred_at)}


def _fact(row: LogRow) -> Fact:
    return Fact(row.project_id, row.kind, row.id, row.body, row.occurred_at)


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
