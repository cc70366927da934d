"""How a project's loop is doing, in one look: what comes in, how far the stream is, what waits, what was decided."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from feedback_ingest import log
from feedback_ingest.decisions import decided
from feedback_ingest.log import LogRow
from feedback_ingest.tables import EventKey
from feedback_loop.registry.tables import Champion
from feedback_loop.stream.status import consumers
from feedback_loop.stream.tables import ServedVersion

DECISIONS = (
    "alert_raised",
    "alert_recovered",
    "dataset_compiled",
    "drift_detected",
    "drift_resolved",
    "drift_signalled",
    "model_promoted",
    "model_refused",
    "model_rollback_refused",
    "model_rolled_back",
    "model_shadow_ended",
    "model_shadowed",
    "model_trained",
    "retraining_suppressed",
    "retraining_triggered",
    "reward_model_trained",
)
NEWEST = 30
MOST_MODELS = 100
BUCKET_S = 10
HISTORY = timedelta(minutes=15)
MOST_OFFSETS = 200_000
"""What is received is counted back over so much of the log, all projects together, and then on from there."""
CAP = 10_000
"""Nothing is counted beyond this; a figure that stands at it means: or more."""

RECEIVED = text("""
SELECT date_bin(CAST(:width AS interval), received_at, CAST('epoch' AS timestamptz)) AS start, kind, count(*)
FROM staging.feedback_events
WHERE log_offset > :after AND log_offset <= :head AND project_id = :project AND received_at >= :since
  AND kind IN ('feedback', 'inference')
GROUP BY 1, 2
""")
WAITING = text("""
SELECT (SELECT count(*) FROM (
           SELECT FROM live_feedback WHERE project_id = :project AND state = 'pending' LIMIT :cap) p),
       (SELECT count(*) FROM (
           SELECT FROM dead_letters d JOIN staging.known_events e ON e.log_offset = d.log_offset
           WHERE e.project_id = :project LIMIT :cap) d)
""")
HELD = text("""
SELECT code, count(*) AS events FROM (
    SELECT code FROM staging.quarantined_items WHERE project_id = :project AND status = 'held'
    ORDER BY item_id DESC LIMIT :cap) held
GROUP BY code ORDER BY 2 DESC, 1
""")


class Overview:
    """Looks again and again at one project; between two looks it remembers what cannot have changed."""

    def __init__(self, project_id: int) -> None:
        self._project_id = project_id
        self._counted_to: int | None = None
        self._received: defaultdict[datetime, dict[str, int]] = defaultdict(dict)
        self._newest: tuple[int, list[dict[str, Any]]] = (0, [])

    def look(self, session: Session, now: datetime) -> dict[str, Any]:
        """Everything, as JSON values; rates are counts of events received in BUCKET_S seconds."""
        head = log.head(session)
        stream = consumers(session)
        given = {"project": self._project_id, "cap": CAP}
        pending, dead_letters = session.execute(WAITING, given).one()
        held: dict[str, int] = {row.code: row.events for row in session.execute(HELD, given)}
        return {
            "at": now,
            "head": head,
            "bucket_s": BUCKET_S,
            "received": self._counts(session, head, now),
            "stream": {
                "log_offset": min(one.log_offset for one in stream),
                "lag": max(one.lag for one in stream),
                "lag_s": max(one.lag_s for one in stream),
                "is_running": all(one.is_running for one in stream),
                "consumers": [
                    {"name": one.name, "lag": one.lag, "lag_s": one.lag_s, "is_running": one.is_running}
                    for one in stream
                ],
            },
            "pending": pending,
            "dead_letters": dead_letters,
            "quarantine": {"held": sum(held.values()), "by_code": held},
            "models": self._models(session),
            "champions": self._champions(session),
            "decisions": self._decisions(session),
        }

    def _counts(self, session: Session, head: int, now: datetime) -> list[dict[str, Any]]:
        after = max(head - MOST_OFFSETS, 0) if self._counted_to is None else self._counted_to
        width = timedelta(seconds=BUCKET_S)
        since = datetime.fromtimestamp((now - HISTORY).timestamp() // BUCKET_S * BUCKET_S, UTC)
        given = {"after": after, "head": head, "project": self._project_id, "since": since, "width": width}
        for start, kind, count in session.execute(RECEIVED, given):
            bucket = self._received[start]
            bucket[kind] = bucket.get(kind, 0) + count
        self._counted_to = head
        for start in [start for start in self._received if start < since]:
            del self._received[start]
        return [
            {"start": start, "feedback": counts.get("feedback", 0), "inferences": counts.get("inference", 0)}
            for start, counts in sorted(self._received.items())
        ]

    def _models(self, session: Session) -> list[str]:
        """The models that have answered."""
        wanted = select(ServedVersion.model_name).where(ServedVersion.project_id == self._project_id).distinct()
        return list(session.exec(wanted.order_by(col(ServedVersion.model_name)).limit(MOST_MODELS)))

    def _champions(self, session: Session) -> list[dict[str, Any]]:
        wanted = select(Champion).where(Champion.project_id == self._project_id).order_by(col(Champion.model_name))
        shown = {"model_name", "model_version", "previous_version", "promoted_at"}
        return [row.model_dump(include=shown) for row in session.exec(wanted)]

    def _decisions(self, session: Session) -> list[dict[str, Any]]:
        wanted = select(func.max(EventKey.log_offset)).where(
            EventKey.project_id == self._project_id, col(EventKey.kind).in_(DECISIONS)
        )
        newest = session.exec(wanted).one() or 0
        if newest != self._newest[0]:
            facts = decided(session, self._project_id, None, NEWEST, DECISIONS)
            self._newest = newest, [_told(fact) for fact in facts]
        return self._newest[1]


def _told(fact: LogRow) -> dict[str, Any]:
    """A decision, thin: what it is about, and why."""
    body = fact.body
    reasons = body.get("reasons") or ([body["reason"]] if "reason" in body else [])
    names = ("model_name", "model_version", "previous_version", "dataset_version", "rule", "metric", "value")
    about = {name: body[name] for name in names if name in body}
    about |= {"reason": "; ".join(reasons)} if reasons else {}
    return {
        "offset": fact.log_offset,
        "kind": fact.kind,
        "at": fact.received_at,
        "occurred_at": fact.occurred_at,
        **about,
    }
