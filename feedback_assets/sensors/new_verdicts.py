"""The sensor that brings the review tables up where people said something that is no feedback yet."""

import dagster as dg

from feedback_assets.jobs import refresh, review
from feedback_assets.partitions import UPTO_TAG
from feedback_assets.resources import LogResource
from feedback_assets.review_tables import KINDS
from feedback_assets.sensors.pace import is_running
from feedback_ingest import log as event_log

INTERVAL_S = 30
"""A verdict is feedback, so new_events brings it into labeled_set at its next tick; this is for all the rest."""


@dg.sensor(
    job=review,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Brings the review tables up when people labelled, skipped, escalated or decided something.",
)
def new_verdicts(context: dg.SensorEvaluationContext, log: LogResource) -> dg.SensorResult | dg.SkipReason:
    """Requests a run unless one is at work that brings them up, too."""
    if is_running(context.instance, refresh.name) or is_running(context.instance, review.name):
        return dg.SkipReason("a run is at work")
    after = int(context.cursor or 0)
    with log.session() as session:
        head = event_log.head(session)
        found = event_log.read(session, after, 1, KINDS)
    if not found:
        context.update_cursor(str(head))
        return dg.SkipReason(f"nobody said anything up to offset {head}")
    request = dg.RunRequest(run_key=f"{review.name}-{head}", tags={UPTO_TAG: str(head)})
    return dg.SensorResult(run_requests=[request], cursor=str(head))
