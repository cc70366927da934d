"""How often sensors look, how long a tick may wait, and whether a job is at work or about to be."""

from datetime import timedelta

import dagster as dg

from feedback_ingest.clock import utc_now
from feedback_ingest.settings import get_settings

# The daemon comes by every 5 s or a little less; an interval of exactly 5 s would miss every other time.
INTERVAL_S = max(get_settings().sensor_interval_s - 1, 1)

WAIT_S = min(max(get_settings().sensor_interval_s - 1.5, 0.0), 8.0)
"""A tick that waits is over before the daemon comes by again, which would pass it over, or has to end."""

ACTIVE = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


LOST_AFTER = timedelta(hours=1)
"""A run that has not ended by then went down with its machine, and holds up nothing any more."""


def is_running(instance: dg.DagsterInstance, job_name: str) -> bool:
    """Is there a run of that job that has not ended?"""
    recent = dg.RunsFilter(job_name=job_name, statuses=ACTIVE, updated_after=utc_now() - LOST_AFTER)
    return instance.get_runs_count(recent) > 0
