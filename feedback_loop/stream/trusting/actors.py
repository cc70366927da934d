"""End users as an administrator sees them: what was decided of whom and why, suspended and restored by hand."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from feedback_ingest.canonical import Pepper
from feedback_ingest.decisions import Decider
from feedback_loop.learning.trust.profiles import Day
from feedback_loop.learning.trust.standings import RESTORED, SUSPENDED
from feedback_loop.stream.trusting.tables import ActorVerdict, LiveActorDay

PSEUDONYM = re.compile(r"p_[a-z2-7]{32}\Z")
STATES = {"actor_suspended": "suspended", "actor_held": "held", "actor_weighed": "weighed", "actor_restored": "heard"}


def pseudonym_of(pepper: Pepper, project_id: int, named: str) -> str:
    """The pseudonym of a user who is named by it, or by the `user_id` that the application knows."""
    return named if PSEUDONYM.match(named) else pepper.pseudonym(project_id, named)


@dataclass(frozen=True, slots=True)
class ProjectActors:
    """The end users of one project, and what is decided of them; the caller commits."""

    session: Session
    project_id: int

    def suspend(self, subject: str, reason: str, decider: Decider, now: datetime) -> dict[str, Any]:
        """Nothing the user says is learnt from, or counted in metrics from here on, until somebody restores them."""
        return self._decide(SUSPENDED, subject, reason, 0.0, decider, now)

    def restore(self, subject: str, reason: str, decider: Decider, now: datetime) -> dict[str, Any]:
        """The user is heard again: what they said meanwhile is learnt from. The stream does not suspend them again."""
        return self._decide(RESTORED, subject, reason, 1.0, decider, now)

    def listed(self, limit: int, before: int | None = None) -> list[dict[str, Any]]:
        """The last decision about each user, newest first, at most `limit` with an offset below `before`."""
        mine = select(ActorVerdict).where(ActorVerdict.project_id == self.project_id)
        last = {row.subject: row for row in self.session.exec(mine.order_by(col(ActorVerdict.log_offset)))}
        rows = [row for row in last.values() if before is None or row.log_offset < before]
        rows.sort(key=lambda row: -row.log_offset)
        return [_told(row.model_dump()) for row in rows[:limit]]

    def show(self, subject: str) -> dict[str, Any]:
        """Everything that was decided of a user, newest first, and what they did on their last days."""
        decided = select(ActorVerdict).where(
            ActorVerdict.project_id == self.project_id, ActorVerdict.subject == subject
        )
        rows = self.session.exec(decided.order_by(col(ActorVerdict.log_offset).desc())).all()
        told = [_told(row.model_dump()) for row in rows]
        days = select(LiveActorDay).where(
            LiveActorDay.project_id == self.project_id, LiveActorDay.actor == f"u:{subject}"
        )
        newest = self.session.exec(days.order_by(col(LiveActorDay.day).desc()).limit(7)).all()
        return {
            "actor": subject,
            "state": told[0]["state"] if told else "heard",
            "weight": told[0]["weight"] if told else 1.0,
            "decisions": told,
            "days": [_day_told(day) for day in newest],
        }

    def _decide(
        self, kind: str, subject: str, reason: str, weight: float, decider: Decider, now: datetime
    ) -> dict[str, Any]:
        """The stream reads the decision from the log and acts on it; whoever looks sees it at once."""
        offset = decider.record(self.session, self.project_id, kind, subject, now, reason=reason)
        row = {
            "project_id": self.project_id,
            "subject": subject,
            "log_offset": offset,
            "kind": kind,
            "weight": weight,
            "signal": None,
            "reason": reason,
            "decided_by": decider.actor,
            "decided_at": now,
        }
        self.session.execute(insert(ActorVerdict).values(row).on_conflict_do_nothing())
        return _told(row)


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: row[name] for name in ("weight", "signal", "reason", "decided_by", "decided_at")}
    return {"actor": row["subject"], "state": STATES[row["kind"]], **told, "offset": row["log_offset"]}


def _day_told(row: LiveActorDay) -> dict[str, Any]:
    day = Day(row.day, row.events, row.hours, row.texts, row.repeats)
    return {
        "day": day.named.isoformat(),
        "events": day.events,
        "active_hours": day.active_hours,
        "remarks": day.texts,
        "repeats": day.repeats,
    }
