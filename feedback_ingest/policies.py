"""Policies of a project as facts of the log: of each kind the newest is in force; what it may say is told elsewhere."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, select

from feedback_ingest import log
from feedback_ingest.decisions import POLICY_SET, Decider
from feedback_ingest.log import LogRow
from feedback_ingest.tables import EventKey


@dataclass(frozen=True, slots=True)
class ProjectPolicies:
    """The policies of one project, to be read and set; the caller commits, soon."""

    session: Session
    project_id: int

    def newest(self, kind: str) -> LogRow | None:
        """The fact that is in force; None while nobody has decided."""
        wanted = select(EventKey.log_offset).where(EventKey.project_id == self.project_id, EventKey.kind == POLICY_SET)
        found = log.at(self.session, self.session.exec(wanted).all()).values()
        return max((row for row in found if row.body["subject"] == kind), key=lambda row: row.log_offset, default=None)

    def set(self, kind: str, policy: dict[str, Any], decider: Decider, now: datetime) -> bool:
        """Puts `policy` in force; False where it is so already."""
        self._lock(kind)
        known = self.newest(kind)
        if known is not None and known.body["policy"] == policy:
            return False
        version = known.body["version"] + 1 if known else 1
        decider.record(self.session, self.project_id, POLICY_SET, kind, now, version=version, policy=policy)
        return True

    def _lock(self, kind: str) -> None:
        """One change of a policy at a time, until the transaction ends; taken before the lock of the log."""
        key = {"key": f"policy {self.project_id} {kind}"}
        self.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)
