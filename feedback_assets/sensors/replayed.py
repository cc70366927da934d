"""The sensor that replays after a retraining: what happened is kept, and learnt from again, while nothing waits."""

import dagster as dg

from feedback_assets.jobs import replay, retrain
from feedback_assets.sensors.pace import INTERVAL_S, is_running


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[retrain],
    request_job=replay,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Takes a snapshot of the replay buffer after each retraining, and has its learners learn from it.",
)
def replayed(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
    """One run a retraining, unless one is at work: then the next retraining brings the next."""
    if is_running(context.instance, replay.name):
        return dg.SkipReason("a replay is running")
    return dg.RunRequest(run_key=f"{replay.name}-{context.dagster_run.run_id}")
