"""The sensor that has datasets made which were asked for over HTTP: one run a request, in their order."""

import dagster as dg

from feedback_assets.asked_datasets import give_up
from feedback_assets.jobs import REQUEST_TAG, datasets
from feedback_assets.resources import LogResource
from feedback_assets.sensors.pace import INTERVAL_S, is_running
from feedback_ingest import log as event_log
from feedback_loop.registry.dataset_requests import waiting

MOST_ATTEMPTS = 3


@dg.sensor(
    job=datasets,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Compiles datasets, or makes them again, as POST /v1/datasets asks.",
)
def asked_datasets(context: dg.SensorEvaluationContext, log: LogResource) -> dg.SensorResult | dg.SkipReason:
    """Requests a run for the oldest request without an answer, unless one is at work.

    A run that was killed is requested again, three times in all; then the request is answered with that.
    """
    if is_running(context.instance, datasets.name):
        return dg.SkipReason("a dataset is being made")
    with log.session() as session:
        head = event_log.head(session)
        found = waiting(session, int(context.cursor or 0))
    if not found:
        context.update_cursor(str(head))
        return dg.SkipReason(f"nobody asked for a dataset up to offset {head}")
    oldest = found[0]
    tags = {REQUEST_TAG: str(oldest.log_offset)}
    attempts = context.instance.get_runs_count(dg.RunsFilter(job_name=datasets.name, tags=tags))
    if attempts >= MOST_ATTEMPTS:
        give_up(log, oldest, "run-failed", f"its run ended {attempts} times without an answer; Dagster shows them")
        return dg.SkipReason(f"gave up on the request at offset {oldest.log_offset}")
    request = dg.RunRequest(run_key=f"{datasets.name}-{oldest.log_offset}-{attempts}", tags=tags)
    return dg.SensorResult(run_requests=[request], cursor=str(oldest.log_offset - 1))
