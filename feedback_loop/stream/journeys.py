"""Journeys of feedback through the loop as the tables and the log tell them, for learning.latency to measure."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest.decisions import decided
from feedback_ingest.log import LogRow
from feedback_loop.learning.latency import Dataset, Journey

MOST = 10_000
SLICES = 100
"""Of more journeys than MOST a sample is taken: as many from each of so many slices of the time they came in."""
FACTS = ("dataset_compiled", "model_trained")
NEWEST = 100
"""So many facts of learning are looked at: with two a training, the newest fifty trainings of a project."""

PASSED_BY = {"attributed": "attribution", "enriched": "enrichment", "queued": "training_queue"}
"""Which consumer brings feedback to a stage."""

PASSED = """
LEFT JOIN LATERAL (
    SELECT p.first_offset, p.passed_at FROM passages p
    WHERE p.last_offset >= q.ready_offset AND p.consumers @> ARRAY['{consumer}'] ORDER BY p.last_offset LIMIT 1
) {stage} ON {stage}.first_offset <= q.ready_offset
"""
JOURNEYS = text(f"""
SELECT q.feedback_id, q.inference_request_id, q.model_name, q.model_version, f.metric, f.feedback_type, q.log_offset,
       q.ready_offset, q.occurred_at, q.received_at, e.appended_at,
       {", ".join(f"{stage}.passed_at" for stage in PASSED_BY)}
FROM generate_series(0, {SLICES - 1}) n
CROSS JOIN LATERAL (
    SELECT * FROM training_examples t
    WHERE t.project_id = :project AND t.queued_at >= :since + n * CAST(:slice AS interval)
      AND t.queued_at < :since + (n + 1) * CAST(:slice AS interval)
      AND (CAST(:model AS text) IS NULL OR t.model_name = :model)
    ORDER BY t.queued_at LIMIT :a_slice
) q
JOIN live_feedback f ON f.project_id = q.project_id AND f.feedback_id = q.feedback_id
LEFT JOIN staging.feedback_events e ON e.log_offset = q.log_offset
{"".join(PASSED.format(stage=stage, consumer=consumer) for stage, consumer in PASSED_BY.items())}
""")
COUNT = text("""
SELECT count(*) FROM (
    SELECT FROM training_examples WHERE project_id = :project AND queued_at >= :since LIMIT :most + 1
) found
""")
SPAN = text("""
SELECT min(queued_at), max(queued_at) FROM training_examples WHERE project_id = :project AND queued_at >= :since
""")
SERVED = text("SELECT model_name, model_version, first_answer_at FROM served_versions WHERE project_id = :project")


def journeys(
    session: Session, project_id: int, until: datetime, window: timedelta, model_name: str | None = None
) -> tuple[list[Journey], bool]:
    """Feedback of a project that came to the training queue within `window` before `until`; whether it is a sample."""
    # Each join is a look-up by key; a plan made while the tables were small must not become a scan of large ones.
    session.execute(text("SET LOCAL enable_hashjoin = off"))
    session.execute(text("SET LOCAL enable_mergejoin = off"))
    given = {"project": project_id, "since": until - window, "most": MOST}
    is_sample = session.execute(COUNT, given).scalar_one() > MOST
    first, last = session.execute(SPAN, given).one()
    if first is None:
        return [], False
    # A little more than a hundredth, so that the last one is in the last slice.
    slice_ = (last - first) / SLICES + timedelta(microseconds=1)
    given |= {"since": first, "slice": slice_, "a_slice": MOST // SLICES if is_sample else MOST, "model": model_name}
    return [Journey(*row) for row in session.execute(JOURNEYS, given)], is_sample


def datasets(session: Session, project_id: int) -> list[Dataset]:
    """The newest datasets of a project, in the order they were compiled, with what became of each."""
    served = {(name, version): at for name, version, at in session.execute(SERVED, {"project": project_id})}
    facts = decided(session, project_id, None, NEWEST, FACTS)
    trained = {fact.body["dataset_version"]: fact for fact in facts if fact.kind == "model_trained"}
    compiled = [fact for fact in reversed(facts) if fact.kind == "dataset_compiled"]
    return [
        _dataset(fact.body, fact.received_at, trained.get(fact.body["dataset_version"]), served) for fact in compiled
    ]


def _dataset(
    body: dict[str, Any], compiled_at: datetime, trained: LogRow | None, served: dict[tuple[str, str], datetime]
) -> Dataset:
    first_answer_at = served.get((body["model_name"], trained.body["model_version"])) if trained else None
    return Dataset(
        body["model_name"],
        body["dataset_version"],
        body.get("first_feedback_offset") or 1,
        body["log_offset"],
        body["rows"],
        compiled_at,
        trained.received_at if trained else None,
        first_answer_at,
    )
