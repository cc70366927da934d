"""The book of review policies: every definition a project ever gave or took back, kept with the fact that says so."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from psycopg import Cursor
from sqlalchemy import text
from sqlmodel import Session, select

from feedback_ingest.decisions import Decider
from feedback_ingest.errors import NotFound
from feedback_ingest.log import LogRow
from feedback_ingest.receive import refuse
from feedback_loop.learning.review_policies import (
    STANDARD,
    PlacedPolicy,
    PolicyDefinition,
    ReviewPolicy,
    policies_of,
    read_policy,
)
from feedback_loop.stream.flagging.tables import ReviewPolicyDefinition
from feedback_loop.stream.writing import json_text

logger = logging.getLogger("feedback.stream")

DEFINED, REMOVED = "review_policy_defined", "review_policy_removed"
DEFINITIONS = """
SELECT project_id, policy_id, log_offset, version, definition::text FROM review_policies WHERE log_offset <= %s
"""
LEARN = """
INSERT INTO review_policies SELECT * FROM json_populate_recordset(NULL::review_policies, %s) ON CONFLICT DO NOTHING
"""


def learn(cursor: Cursor[Any], rows: Sequence[LogRow]) -> None:
    """Keeps the definitions that stand in the log; those that are known already change nothing."""
    told = [
        {
            "project_id": row.project_id,
            "policy_id": row.body["subject"],
            "log_offset": row.log_offset,
            "version": row.body["version"],
            "definition": row.body.get("policy"),
            "defined_at": row.received_at,
        }
        for row in rows
        if row.kind in (DEFINED, REMOVED)
    ]
    if told:
        cursor.execute(LEARN, [json_text(told)])


def book(cursor: Cursor[Any], upto_offset: int) -> dict[int, list[PlacedPolicy]]:
    """The policies of every project that has any of its own, as the log has defined them up to an offset."""
    found = cursor.execute(DEFINITIONS, [upto_offset]).fetchall()
    return policies_of(
        PolicyDefinition(project_id, policy_id, log_offset, version, _read(definition) if definition else None)
        for project_id, policy_id, log_offset, version, definition in found
    )


def book_of_facts(facts: Sequence[LogRow]) -> dict[int, list[PlacedPolicy]]:
    """The same, of facts of the log."""
    return policies_of(
        PolicyDefinition(
            fact.project_id,
            fact.body["subject"],
            fact.log_offset,
            fact.body["version"],
            _read(json_text(fact.body["policy"])) if fact.kind == DEFINED else None,
        )
        for fact in facts
        if fact.kind in (DEFINED, REMOVED)
    )


@dataclass(frozen=True, slots=True)
class ProjectReviewPolicies:
    """The review policies of one project, to be read and changed; the caller commits, soon."""

    session: Session
    project_id: int

    def every(self) -> list[PlacedPolicy]:
        """Those in force, by id; version 0 is the default."""
        wanted = select(ReviewPolicyDefinition).where(ReviewPolicyDefinition.project_id == self.project_id)
        said = policies_of(
            PolicyDefinition(
                row.project_id,
                row.policy_id,
                row.log_offset,
                row.version,
                _read(json_text(row.definition)) if row.definition else None,
            )
            for row in self.session.exec(wanted)
        )
        placed = [each for each in said.get(self.project_id, STANDARD) if each.upto is None]
        return sorted(placed, key=lambda each: each.policy.policy_id)

    def define(self, policy: ReviewPolicy, decider: Decider, now: datetime) -> bool:
        """Defines a policy, or changes it; True where it was not there. Raises ValidationFailed."""
        refuse(policy.faults())
        self._lock()
        known = {each.policy.policy_id: each for each in self.every()}.get(policy.policy_id)
        if known is None or known.policy != policy:
            self._write(policy.policy_id, policy.as_data(), decider, now)
        return known is None

    def remove(self, policy_id: str, decider: Decider, now: datetime) -> None:
        """Takes a policy back, the default one too; raises NotFound."""
        self._lock()
        if all(each.policy.policy_id != policy_id for each in self.every()):
            raise NotFound()
        self._write(policy_id, None, decider, now)

    def _write(self, policy_id: str, definition: dict[str, Any] | None, decider: Decider, now: datetime) -> None:
        mine = (ReviewPolicyDefinition.project_id == self.project_id, ReviewPolicyDefinition.policy_id == policy_id)
        versions = self.session.exec(select(ReviewPolicyDefinition.version).where(*mine)).all()
        version = max(versions, default=0) + 1
        told = {"version": version} | ({"policy": definition} if definition else {})
        row = ReviewPolicyDefinition(
            project_id=self.project_id,
            policy_id=policy_id,
            log_offset=decider.record(
                self.session, self.project_id, DEFINED if definition else REMOVED, policy_id, now, **told
            ),
            version=version,
            definition=definition,
            defined_at=now,
        )
        self.session.add(row)
        self.session.flush()

    def _lock(self) -> None:
        """One change of a project's policies at a time, until the transaction ends; taken before the log's lock."""
        key = {"key": f"review policies {self.project_id}"}
        self.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)


@lru_cache(maxsize=4_096)
def _read(definition: str) -> ReviewPolicy | None:
    """The policy; None for one that another version of the program wrote and this one cannot read."""
    try:
        return read_policy(definition)
    except msgspec.ValidationError:
        logger.error("a review policy of another version of this program is not followed: %s", definition)
        return None
