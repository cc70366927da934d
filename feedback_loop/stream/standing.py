"""Standing triggers of a project: defined and taken back as facts of the log, which is the only place they are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, select

from feedback_ingest import log
from feedback_ingest.decisions import Decider
from feedback_ingest.errors import NotFound
from feedback_ingest.log import LogRow
from feedback_ingest.receive import refuse
from feedback_ingest.tables import EventKey
from feedback_loop.learning.standing_triggers import Trigger, backtest, read
from feedback_loop.learning.trigger_history import moments
from feedback_loop.stream.queue.following import examples_after

DEFINED, REMOVED, REQUESTED = "trigger_defined", "trigger_removed", "retraining_requested"
MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class ProjectTriggers:
    """The triggers of one project, to be read and changed; the caller commits, soon."""

    session: Session
    project_id: int

    def every(self) -> list[Trigger]:
        """Those in force, by id."""
        newest = {fact.body["subject"]: fact for fact in self._facts((DEFINED, REMOVED))}
        found = [read(fact.body["trigger"]) for _, fact in sorted(newest.items()) if fact.kind == DEFINED]
        return [trigger for trigger in found if trigger is not None]

    def find(self, trigger_id: str) -> Trigger:
        """One of them; raises NotFound."""
        found = next((each for each in self.every() if each.trigger_id == trigger_id), None)
        if found is None:
            raise NotFound(f"there is no trigger {trigger_id!r}; `feedback trigger list` names them")
        return found

    def define(self, trigger: Trigger, decider: Decider, now: datetime) -> bool:
        """Defines a trigger, or changes it; False where it is defined so already. Raises ValidationFailed."""
        refuse(trigger.faults())
        self._lock()
        if trigger in self.every():
            return False
        data = trigger.as_data()
        decider.record(self.session, self.project_id, DEFINED, trigger.trigger_id, now, trigger=data)
        return True

    def remove(self, trigger_id: str, decider: Decider, now: datetime) -> None:
        """Takes a trigger back; raises NotFound."""
        self._lock()
        self.find(trigger_id)
        decider.record(self.session, self.project_id, REMOVED, trigger_id, now)

    def ask(self, trigger_id: str, model_name: str, decider: Decider, now: datetime) -> int:
        """Asks for a training by hand, which holds for the trigger's condition `manual`; the request's offset."""
        self.find(trigger_id)
        return decider.record(self.session, self.project_id, REQUESTED, trigger_id, now, model_name=model_name)

    def backtest(self, trigger: Trigger, model_name: str) -> dict[str, Any]:
        """What it would have said over the newest labelled answers of a model, oldest first."""
        refuse(trigger.faults())
        rows, place = [], (0, 0)
        while found := examples_after(self.session, self.project_id, model_name, place, 1_000):
            place = (found[-1]["ready_offset"], found[-1]["log_offset"])
            rows += found
            if len(rows) > MOST_ROWS:
                rows = rows[-MOST_ROWS:]
        told = backtest(trigger, moments(rows))
        return {"labels": len(rows), "fired": sum(each["fires"] for each in told), "told": told}

    def _facts(self, kinds: Sequence[str]) -> list[LogRow]:
        wanted = select(EventKey.log_offset).where(
            EventKey.project_id == self.project_id, col(EventKey.kind).in_(kinds)
        )
        return [row for _, row in sorted(log.at(self.session, self.session.exec(wanted).all()).items())]

    def _lock(self) -> None:
        """One change of a project's triggers at a time, until the transaction ends."""
        key = {"key": f"triggers {self.project_id}"}
        self.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)
