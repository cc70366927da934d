"""What waits at each stage of the loop, counted up to a bound, for learning.stuck to tell what is stuck."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.decisions import decided
from feedback_loop.learning.examples import why_not_example
from feedback_loop.learning.latency import Dataset
from feedback_loop.learning.stuck import Waiting, of_newest_datasets
from feedback_loop.stream.journeys import PASSED_BY
from feedback_loop.stream.status import consumers

CAP = 10_000
"""At most so many rows are counted for one reason."""
LOOKED_AT = 2_000
"""So many of the newest changes of attribution are looked at for feedback that came no further."""
DECISIONS = ("retraining_suppressed", "retraining_triggered", "model_refused")
NEWEST = 50
"""So many of the newest decisions about models are looked at for a reason."""

COUNTED = "SELECT count(*), min(since), (array_agg(name ORDER BY since))[1:5] FROM ({rows} LIMIT :cap) waiting"
UNREAD = """
SELECT received_at AS since, id AS name FROM staging.feedback_events
WHERE log_offset > :position AND project_id = :project AND kind = 'feedback' AND received_at < :old
"""
PENDING = """
SELECT received_at AS since, feedback_id AS name FROM live_feedback
WHERE project_id = :project AND state = 'pending' AND received_at < :old
"""
UNTAKEN = """
SELECT d.failed_at AS since, coalesce(f.id, 'offset:' || d.log_offset) AS name FROM dead_letters d
JOIN staging.known_events e ON e.log_offset = d.log_offset
LEFT JOIN staging.feedback_events f ON f.log_offset = d.log_offset
WHERE e.project_id = :project AND e.kind = 'feedback' AND d.consumer = :consumer AND d.failed_at < :old
"""
QUEUED = """
SELECT queued_at AS since, feedback_id AS name FROM training_examples
WHERE project_id = :project AND queued_at >= :after AND queued_at < :old AND log_offset > :seen
  AND model_name = :model AND label IS NOT NULL
"""
MODELS = text("""
SELECT DISTINCT model_name FROM (
    SELECT model_name FROM training_examples WHERE project_id = :project AND queued_at < :old
    ORDER BY queued_at DESC LIMIT :cap
) newest
""")
ENDED = text(f"""
SELECT f.row, f.received_at, h.routes FROM (
    SELECT DISTINCT project_id, feedback_id FROM attribution_changes
    WHERE change_id > (SELECT coalesce(max(change_id), 0) - {LOOKED_AT} FROM attribution_changes)
      AND project_id = :project
) c
JOIN live_feedback f ON f.project_id = c.project_id AND f.feedback_id = c.feedback_id
LEFT JOIN training_examples t ON t.project_id = f.project_id AND t.feedback_id = f.feedback_id
LEFT JOIN held_feedback h ON h.project_id = f.project_id AND h.feedback_id = f.feedback_id
WHERE f.received_at < :old AND t.feedback_id IS NULL AND f.state <> 'pending'
  AND (f.label IS NOT NULL OR f.reward IS NOT NULL OR f.row ->> 'preferred' IS NOT NULL)
""")


@dataclass(frozen=True, slots=True)
class Looking:
    """One look at what waits in a project at `now`, longer than `objectives_s` allow."""

    session: Session
    project_id: int
    now: datetime
    objectives_s: Mapping[str, float]

    def waiting(self, datasets: Sequence[Dataset]) -> list[Waiting]:
        """Everything that has waited too long, stage by stage; `datasets` are those of the project."""
        return [
            *self._counted("attributed", "the stream has not come to it", UNREAD, position=self._position()),
            *self._counted("attributed", "its inference is not logged", PENDING),
            *self._untaken(),
            *self._ended(),
            *self._unlearnt(datasets),
        ]

    def _position(self) -> int:
        [place] = [one.log_offset for one in consumers(self.session) if one.name == PASSED_BY["attributed"]]
        return place

    def _untaken(self) -> Iterator[Waiting]:
        for stage, consumer in PASSED_BY.items():
            yield from self._counted(stage, "it could not be taken: see dead_letters", UNTAKEN, consumer=consumer)

    def _ended(self) -> Iterator[Waiting]:
        found = self.session.execute(ENDED, {"project": self.project_id, "old": self._old("queued")})
        for row, since, routes in found:
            held = f"it is held by the route {routes}" if routes else "the output it was preferred over is not known"
            reason = why_not_example(row) or held
            yield Waiting("queued", reason, 1, since, (row["feedback_id"],))

    def _unlearnt(self, datasets: Sequence[Dataset]) -> Iterator[Waiting]:
        facts = decided(self.session, self.project_id, None, NEWEST, DECISIONS)
        newest = {dataset.model_name: dataset for dataset in datasets}
        reasons = {fact.body["model_name"]: fact.body["reason"] for fact in reversed(facts) if "reason" in fact.body}
        refused = {fact.body["model_version"]: fact.body["reasons"] for fact in facts if fact.kind == "model_refused"}
        given = {"project": self.project_id, "old": self._old("in_dataset"), "cap": CAP}
        for (model,) in self.session.execute(MODELS, given):
            last = newest.get(model)
            why = f"no dataset of {model} since {last.version}" if last else f"there is no dataset of {model} yet"
            why += f": {reasons[model]}" if model in reasons else ""
            after = last.compiled_at if last else datetime(1970, 1, 1, tzinfo=UTC)
            seen = last.log_offset if last else 0
            yield from self._counted("in_dataset", why, QUEUED, model=model, after=after, seen=seen)
        yield from of_newest_datasets(newest.values(), refused)

    def _counted(self, stage: str, reason: str, rows: str, **given: Any) -> list[Waiting]:
        given |= {"project": self.project_id, "old": self._old(stage), "cap": CAP}
        count, since, names = self.session.execute(text(COUNTED.format(rows=rows)), given).one()
        return [Waiting(stage, reason, count, since, tuple(names), count >= CAP)] if count else []

    def _old(self, stage: str) -> datetime:
        return self.now - timedelta(seconds=self.objectives_s[stage])
