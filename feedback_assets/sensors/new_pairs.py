"""The sensor that has reward models trained: it counts new pairs, and asks for a run once they are worth one."""

from dataclasses import asdict, dataclass, field

import dagster as dg
import orjson
from sqlalchemy import text
from sqlmodel import Session

from feedback_assets.jobs import prefer, refresh, replay
from feedback_assets.partitions import DAYS_LEFT_TAG, UPTO_TAG
from feedback_assets.resources import LogResource
from feedback_assets.sensors.pace import INTERVAL_S, is_running
from feedback_loop.learning.dataset_formats.reward_model import RewardModel as PairFormat
from feedback_loop.learning.reward_model import is_due

# A tie prefers nothing, who refused is not learnt from, and what was taken back or said anew was not said.
COUNT = text("""
SELECT e.project_id, coalesce(e.model_name, '') AS model_name, count(*) FROM staging.feedback_events e
WHERE e.log_offset > :after AND e.log_offset <= :upto AND e.kind = 'feedback' AND e.feedback_type = ANY(:types)
  AND e.feedback_value -> 'tie' IS DISTINCT FROM 'true'
  AND e.user_context #> '{consent,training}' IS DISTINCT FROM 'false'
  AND NOT EXISTS (
    SELECT FROM staging.feedback_events u
    WHERE u.project_id = e.project_id AND u.inference_request_id = e.inference_request_id AND u.kind = 'feedback'
      AND u.log_offset > e.log_offset AND u.log_offset <= :upto
      AND e.id = lower(CASE u.feedback_type WHEN 'retraction' THEN u.feedback_value ->> 'retracts'
                       ELSE u.body::jsonb ->> 'supersedes' END))
GROUP BY 1, 2
""")


@dataclass(slots=True)
class Counted:
    """How far the log was counted, and by project and model the pairs that are new, and those of the last run."""

    upto_offset: int = 0
    new: dict[str, int] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)

    def count(self, session: Session, upto_offset: int) -> bool:
        """Counts on up to an offset; whether some model's new pairs are worth a run, after which they are known."""
        asked = {"after": self.upto_offset, "upto": upto_offset, "types": list(PairFormat.reads)}
        for project_id, model_name, pairs in session.execute(COUNT, asked):
            name = f"{project_id} {model_name}"
            self.new[name] = self.new.get(name, 0) + pairs
        self.upto_offset = upto_offset
        due = [name for name, pairs in self.new.items() if is_due(pairs, self.known.get(name, 0))]
        for name in due:
            self.known[name] = self.known.get(name, 0) + self.new.pop(name)
        return bool(due)


@dg.sensor(
    job=prefer,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Has a reward model trained once people compared enough answers since the last one.",
)
def new_pairs(context: dg.SensorEvaluationContext, log: LogResource) -> dg.SensorResult | dg.SkipReason:
    """Counts what the last refresh has read, each event once; the cursor keeps the counts.

    It counts by what people said and took back. What else decides whether a pair is learnt from may still change: an
    inference that is not known yet, a rule that is broken, who is not listened to, what is held out. That is found by
    the run, on its tables, which trains nothing where it leaves too few.
    """
    counted = Counted(**orjson.loads(context.cursor)) if context.cursor else Counted()
    upto_offset = refreshed(context.instance)
    if upto_offset <= counted.upto_offset:
        return dg.SkipReason("nothing new was refreshed")
    if is_running(context.instance, prefer.name) or is_running(context.instance, replay.name):
        return dg.SkipReason("a run is at work")
    with log.session() as session:
        is_worth_it = counted.count(session, upto_offset)
    cursor = orjson.dumps(asdict(counted)).decode()
    if not is_worth_it:
        context.update_cursor(cursor)
        return dg.SkipReason(f"too few new pairs up to offset {upto_offset}")
    request = dg.RunRequest(run_key=f"{prefer.name}-{upto_offset}", tags={UPTO_TAG: str(upto_offset)})
    return dg.SensorResult(run_requests=[request], cursor=cursor)


def refreshed(instance: dg.DagsterInstance) -> int:
    """The offset up to which the tables are there; 0 where days still wait."""
    done = dg.RunsFilter(job_name=refresh.name, statuses=[dg.DagsterRunStatus.SUCCESS])
    for run in instance.get_runs(done, limit=1):
        if run.tags.get(DAYS_LEFT_TAG, "0") == "0":
            return int(run.tags.get(UPTO_TAG, 0))
    return 0
