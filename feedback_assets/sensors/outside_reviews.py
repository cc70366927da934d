"""The sensor that exchanges items of review with the tools that queues are judged in."""

import dagster as dg

from feedback_assets.resources import LogResource
from feedback_assets.sensors.pace import INTERVAL_S
from feedback_ingest.decisions import Decider
from feedback_loop.review.label_studio.exchange import TOOL, exchange
from feedback_loop.stream.flagging import flags
from feedback_loop.stream.routing import candidates

UNREAD_S = 30
"""A task that is out is looked at this often; of most, Label Studio itself tells at once."""


@dg.sensor(
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends open items of review to Label Studio and takes in what was annotated there.",
)
def outside_reviews(context: dg.SensorEvaluationContext, log: LogResource) -> dg.SkipReason:
    """Starts no run: what comes in are facts of the log, which new_events sees. A tool that is away fails the tick."""
    if log.settings.label_studio_url is None:
        return dg.SkipReason("no Label Studio in the settings")
    newly = (candidates.newly, flags.newly)
    done = exchange(log.database, log.settings, Decider(TOOL, log.pepper), newly, UNREAD_S)
    told = [f"{each.project}/{each.queue_id}: sent {each.sent}, {dict(each.outcomes)}" for each in done]
    return dg.SkipReason("; ".join(told) or "no queue is judged in Label Studio")
