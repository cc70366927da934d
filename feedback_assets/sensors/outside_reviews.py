"""The sensor that exchanges items of review with the tools that queues are judged in."""

import dagster as dg

from feedback_assets.resources import LogResource
from feedback_assets.sensors.pace import INTERVAL_S
from feedback_ingest.decisions import Decider
from feedback_loop.review.ground_truth import jobs
from feedback_loop.review.ground_truth.amazon import Amazon
from feedback_loop.review.label_studio.exchange import TOOL, exchange

UNREAD_S = 30
"""A task that is out is looked at this often; of most, Label Studio itself tells at once."""


@dg.sensor(
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends open items of review to Label Studio, takes in its annotations and what labeling jobs found.",
)
def outside_reviews(context: dg.SensorEvaluationContext, log: LogResource) -> dg.SkipReason:
    """Starts no run: what comes in are facts of the log, which new_events sees. A tool that is away fails the tick."""
    told = [*_label_studio(log), *_ground_truth(log)]
    return dg.SkipReason("; ".join(told) or "no queue is judged outside")


def _label_studio(log: LogResource) -> list[str]:
    if log.settings.label_studio_url is None:
        return []
    done = exchange(log.database, log.settings, Decider(TOOL, log.pepper), UNREAD_S)
    return [f"{each.project}/{each.queue_id}: sent {each.sent}, {dict(each.outcomes)}" for each in done]


def _ground_truth(log: LogResource) -> list[str]:
    """Jobs are started by people; whether they are done is looked at here."""
    if log.settings.ground_truth_place is None:
        return []
    found = jobs.collect(log.database, Amazon(log.settings), Decider(jobs.TOOL, log.pepper))
    return [f"{each.name}: {each.state}, {dict(each.outcomes)}" for each in found]
