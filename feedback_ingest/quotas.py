"""Quotas: events a project may store on one UTC day, counted together by all processes, a second behind each other."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from threading import Lock

from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.postgres import Database
from feedback_ingest.rate_limits import Level

DAY_S = 86_400
ADD = text(
    "INSERT INTO project_usage (project_id, day, events) VALUES (:project, :day, :events) "
    "ON CONFLICT (project_id, day) DO UPDATE SET events = project_usage.events + excluded.events RETURNING events"
)


@dataclass(slots=True)
class Used:
    """Events of one day: `known` to the database when it was last asked, and `unsaved` since by this process."""

    day: date
    known: int = 0
    unsaved: int = 0


class Quotas:
    """What projects with a quota have stored today; `meet` before the first question about a project."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._used: dict[int, Used] = {}
        self._lock = Lock()

    def is_met(self, project_id: int) -> bool:
        """Whether today's use of the project is known here."""
        used = self._used.get(project_id)
        return used is not None and used.day == self._clock().astimezone(UTC).date()

    def meet(self, project_id: int) -> None:
        """Reads what the project has used today; what is unsaved of yesterday is saved first."""
        self.save()
        self._used[project_id] = used = Used(self._clock().astimezone(UTC).date())
        with Session(self._database.engine) as session:
            used.known = session.execute(ADD, {"project": project_id, "day": used.day, "events": 0}).scalar_one()
            session.commit()

    def level(self, project_id: int, quota: int) -> Level:
        """What is left today."""
        now = self._clock().astimezone(UTC)
        used = self._used.get(project_id)
        spent = used.known + used.unsaved if used is not None and used.day == now.date() else 0
        midnight = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
        wait_s = max(1, ceil((midnight - now).total_seconds()))
        return Level("events-per-day", quota, DAY_S, max(0, quota - spent), wait_s)

    def add(self, project_id: int, events: int) -> None:
        """Counts events that were stored."""
        used = self._used.get(project_id)
        if used is not None:
            with self._lock:
                used.unsaved += events

    def save(self) -> None:
        """Adds what this process counted to what all have; from a thread of its own, every second."""
        for project_id, used in list(self._used.items()):
            events = used.unsaved
            if events:
                with Session(self._database.engine) as session:
                    values = {"project": project_id, "day": used.day, "events": events}
                    known = session.execute(ADD, values).scalar_one()
                    session.commit()
                with self._lock:
                    used.unsaved -= events
                    used.known = known
