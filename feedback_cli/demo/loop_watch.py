"""Looks at the loop from the database: champion, live accuracy, facts that were decided, how far the stream is."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from feedback_ingest import log
from feedback_ingest.log import LogRow
from feedback_ingest.postgres import Database
from feedback_loop.learning.segments import ALL
from feedback_loop.registry.tables import Champion
from feedback_loop.stream.status import status
from feedback_loop.stream.tables import LiveMetric

ROLLING_S = 20.0
DECISIONS = (
    "alert_raised",
    "alert_recovered",
    "retraining_triggered",
    "retraining_suppressed",
    "dataset_compiled",
    "model_promoted",
    "model_refused",
    "reward_model_trained",
)
METRIC = "accuracy"


@dataclass(frozen=True)
class Bucket:
    """Live accuracy of one version in one bucket of event time; `judged` labelled answers, `right` of them."""

    start: datetime
    model_version: str
    right: float
    judged: float


@dataclass(frozen=True)
class LoopView:
    """The loop at one moment; `facts` are the decisions since the last look."""

    champion: str | None
    buckets: list[Bucket]
    head: int
    stream_at: int
    facts: list[LogRow] = field(default_factory=list)

    def accuracy(
        self, since: datetime | None = None, until: datetime | None = None, version: str | None = None
    ) -> tuple[float | None, int]:
        """Share right and number judged, over buckets that begin from `since` to `until` and are of one version."""
        chosen = [
            bucket
            for bucket in self.buckets
            if (since is None or bucket.start >= since)
            and (until is None or bucket.start < until)
            and version in (None, bucket.model_version)
        ]
        judged = sum(bucket.judged for bucket in chosen)
        return (sum(bucket.right for bucket in chosen) / judged if judged else None), int(judged)

    def rolling(self) -> float | None:
        """Accuracy of the last ROLLING_S seconds of event time that have labels, all versions together."""
        newest = max((bucket.start for bucket in self.buckets), default=None)
        return self.accuracy(since=newest - timedelta(seconds=ROLLING_S))[0] if newest else None

    def history(self) -> list[float]:
        """Accuracy of each bucket in order of event time, all versions together."""
        sums: dict[datetime, tuple[float, float]] = {}
        for bucket in self.buckets:
            right, judged = sums.get(bucket.start, (0.0, 0.0))
            sums[bucket.start] = (right + bucket.right, judged + bucket.judged)
        return [right / judged for _, (right, judged) in sorted(sums.items()) if judged]


class LoopWatch:
    """Follows one model of one project from the log's present end on."""

    def __init__(self, database: Database, project_id: int, model_name: str) -> None:
        self._database = database
        self._project_id = project_id
        self._model_name = model_name
        with Session(database.engine) as session:
            self.first_offset = log.head(session) + 1
        self._seen = self.first_offset - 1

    def look(self) -> LoopView:
        """What the database says now."""
        with Session(self._database.engine) as session:
            champion = session.get(Champion, (self._project_id, self._model_name))
            facts = log.read(session, self._seen, 1000, DECISIONS)
            self._seen = facts[-1].log_offset if facts else self._seen
            mine = [fact for fact in facts if fact.body.get("model_name", self._model_name) == self._model_name]
            return LoopView(
                champion.model_version if champion else None,
                self._buckets(session),
                log.head(session),
                status(session).log_offset,
                mine,
            )

    def _buckets(self, session: Session) -> list[Bucket]:
        found = session.exec(
            select(LiveMetric)
            .where(
                LiveMetric.project_id == self._project_id,
                LiveMetric.model_name == self._model_name,
                LiveMetric.metric == METRIC,
                LiveMetric.segment == ALL,
            )
            .order_by(col(LiveMetric.bucket_start))
        )
        return [Bucket(m.bucket_start, m.model_version, float(m.numerator), float(m.denominator)) for m in found]


def told(fact: LogRow) -> str:
    """A decision in one line for people."""
    body: dict[str, Any] = fact.body
    words = fact.kind.replace("_", " ")
    version = body.get("model_version") or body.get("dataset_version")
    reason = body.get("reason") or body.get("reasons")
    reason = "; ".join(reason) if isinstance(reason, list) else reason
    return " ".join(part for part in (words, str(version or "")) if part) + (f": {reason}" if reason else "")
