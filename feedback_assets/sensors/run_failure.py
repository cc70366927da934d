"""The sensor that tells of failed runs: in Dagster's log, and as an alert in the event log."""

import dagster as dg

from feedback_assets import facts
from feedback_assets.resources import LogResource
from feedback_assets.sensors.pace import INTERVAL_S
from feedback_ingest.clock import utc_now

RULE = "dagster_run_failed"
DEFAULT_PROJECT = 1


@dg.run_failure_sensor(
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Raises an alert for every run that failed, of any job.",
)
def run_failure(context: dg.RunFailureSensorContext, log: LogResource) -> None:
    """Appends `alert_raised` with the job, the run and the steps that failed; what went wrong is in the run's log."""
    run = context.dagster_run
    steps = [event.step_key or "the run itself" for event in context.get_step_failure_events()] or ["the run itself"]
    reason = f"{run.job_name} failed in {', '.join(steps)}"
    context.log.error(f"{reason}; run {run.run_id}")
    body = {"rule": RULE, "state": "raised", "reason": reason, "job": run.job_name, "run_id": run.run_id}
    with log.session() as session:
        facts.append(session, log.pepper, DEFAULT_PROJECT, facts.ALERT_RAISED, f"{RULE}:{run.run_id}", body, utc_now())
