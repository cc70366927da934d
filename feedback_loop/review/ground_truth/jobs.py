"""Labeling jobs: open items become one, its output becomes verdicts; that it was started and collected are facts."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.clock import new_id, utc_now
from feedback_ingest.decisions import Decider
from feedback_ingest.errors import Forbidden, NotFound, SetupError
from feedback_ingest.log import Fact
from feedback_ingest.postgres import Database
from feedback_loop.learning.ground_truth import (
    ACCOUNTS,
    DONE,
    Consolidated,
    Job,
    categories_of,
    consolidated,
    form_of,
    manifest_line,
    request_of,
)
from feedback_loop.learning.reviewing import Place
from feedback_loop.review.ground_truth.amazon import Amazon, GroundTruthAway
from feedback_loop.review.items import item
from feedback_loop.review.outside.exports import Bound, alone, bound, forget, named, record, unsent
from feedback_loop.review.outside.labels import OutsideLabel, conclude

TOOL: Place = "ground_truth"
STARTED, COLLECTED = "labeling_job_started", "labeling_job_collected"
MOST = 10_000
"""Items in one job."""
JOBS = text("""
SELECT DISTINCT e.remote_id, s.id IS NOT NULL AS is_started FROM review_exports e
LEFT JOIN staging.event_keys s ON s.project_id = e.project_id AND s.kind = 'labeling_job_started' AND s.id = e.remote_id
WHERE e.project_id = :project_id AND e.queue_id = :queue_id AND e.tool = :tool AND NOT EXISTS (
    SELECT FROM staging.event_keys c
    WHERE c.project_id = e.project_id AND c.kind = 'labeling_job_collected' AND c.id = e.remote_id)
ORDER BY e.remote_id
""")


class Looked(NamedTuple):
    """A job that was looked at: its state, how much is labelled, and where it is done, by outcome the items."""

    queue_id: str
    name: str
    state: str
    labelled: int
    outcomes: Counter[str]


def start(database: Database, amazon: Amazon, project: str, queue_id: str, decider: Decider) -> str | None:
    """Starts a job with the queue's open items that are in none; its name, or None where there is nothing to do.

    What an earlier start left half done is done first, under the same name, so that no item is paid for twice. Raises
    NotFound, SetupError for a region without Ground Truth, GroundTruthAway.
    """
    at = next((each for each in _queues(database) if (each.project, each.queue.queue_id) == (project, queue_id)), None)
    if at is None:
        raise NotFound(f"no queue {queue_id!r} of {project!r} is judged in Ground Truth")
    if amazon.region not in ACCOUNTS:
        raise SetupError(f"Ground Truth has no functions of its own in {amazon.region}; set AWS_DEFAULT_REGION")
    with alone(database, at) as is_mine:
        if not is_mine:
            raise SetupError("another process is starting a job of this queue; try again")
        name = _begun(database, at)
        if name is not None:
            _send(database, amazon, at, name, decider)
    return name


def collect(database: Database, amazon: Amazon, decider: Decider) -> list[Looked]:
    """Looks at every job that is not collected; of those that are done the answers become verdicts, each once.

    Items that a job leaves without an answer are open for the next one. Raises GroundTruthAway where Amazon refused a
    job, after the others.
    """
    found, failed = [], []
    started = [(at, name) for at in _queues(database) for name, is_started in _jobs(database, at) if is_started]
    for at, name in started:
        try:
            found.append(_looked(database, amazon, at, name, decider))
        except GroundTruthAway as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return found


def _queues(database: Database) -> Sequence[Bound]:
    with Session(database.engine) as session:
        return bound(session, TOOL)


def _jobs(database: Database, at: Bound) -> list[tuple[str, bool]]:
    """Those not collected, and whether each was started."""
    with Session(database.engine) as session:
        return [(row[0], row[1]) for row in session.execute(JOBS, at.given)]


def _begun(database: Database, at: Bound) -> str | None:
    """A job's name, which its items have from now on, before anything is sent."""
    half_done = next((name for name, is_started in _jobs(database, at) if not is_started), None)
    if half_done is not None:
        return half_done
    name = f"{at.queue.queue_id.replace('_', '-').strip('-')[:26]}-{new_id()}".lstrip("-")
    with Session(database.engine) as session:
        tasks = unsent(session, at, MOST)
        record(session, at, {task["task_id"]: name for task in tasks}, utc_now())
        session.commit()
    return name if tasks else None


def _send(database: Database, amazon: Amazon, at: Bound, name: str, decider: Decider) -> None:
    job = Job(name, f"{amazon.place}/{name}", amazon.workteam, amazon.role, amazon.region)
    with Session(database.engine) as session:
        tasks = sorted(named(session, at, [name]), key=lambda task: str(task["task_id"]))
        lines = [manifest_line(task, item(session, at.project_id, at.queue, task)) for task in tasks]
    amazon.put(f"{job.folder}/input.manifest", b"\n".join(lines))
    amazon.put(f"{job.folder}/categories.json", categories_of(at.queue))
    amazon.put(f"{job.folder}/form.liquid", form_of(at.queue))
    amazon.create(request_of(at.queue, job))
    _tell(database, at, STARTED, name, decider, {"items": len(tasks), "folder": job.folder})


def _looked(database: Database, amazon: Amazon, at: Bound, name: str, decider: Decider) -> Looked:
    status = amazon.status(name)
    outcomes = Counter[str]()
    if status.state in DONE:
        for line in amazon.lines(status.output) if status.output else ():
            said = consolidated(at.queue, line)
            outcomes[_concluded(database, at, name, said, decider) if said else "unusable"] += 1
        with Session(database.engine) as session:
            forget(session, at, name)
            session.commit()
        _tell(database, at, COLLECTED, name, decider, {"state": status.state, "items": dict(outcomes)})
    return Looked(at.queue.queue_id, name, status.state, status.labelled, outcomes)


def _concluded(database: Database, at: Bound, name: str, said: Consolidated, decider: Decider) -> str:
    label = OutsideLabel(at.project_id, said.task_id, f"{TOOL}:{name}", said.value)
    with Session(database.engine) as session:
        try:
            became = conclude(session, at.queue, label, said.confidence, decider, utc_now())
        except (NotFound, Forbidden):
            return "unusable"
        session.commit()
    return became


def _tell(database: Database, at: Bound, kind: str, name: str, decider: Decider, told: dict[str, object]) -> None:
    """A fact under the job's name: told again, it is the same one."""
    body = {"actor": decider.actor, "subject": name, "queue_id": at.queue.queue_id, **told}
    with Session(database.engine) as session:
        log.append(session, [Fact(at.project_id, kind, name, body, utc_now())], utc_now(), decider.pepper)
        session.commit()
