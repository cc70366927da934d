"""The sensor that materialises the graph as events arrive: one run at a time, for the days that they touch."""

from dataclasses import asdict, dataclass, field

import dagster as dg
import orjson
from dagster._core.storage.tags import PARTITION_NAME_TAG, SENSOR_NAME_TAG

from feedback_assets.jobs import refresh, retrain
from feedback_assets.partitions import BLOCKED_TAG, DAYS_LEFT_TAG, RANGE_TAGS, UPTO_TAG, span_tags
from feedback_assets.resources import LogResource
from feedback_assets.sensors.changed_days import Span, changed_days, planned
from feedback_assets.sensors.pace import INTERVAL_S, is_running
from feedback_assets.sensors.signals import Answer, answered, signalled
from feedback_ingest import log as event_log

ATTEMPT_TAG = "feedback/attempt"
MOST_ATTEMPTS = 3
"""A run that fails is requested again so many times in all; after that the next events bring the next one."""

MOST_OFFSETS = 1_000_000
"""A backlog is taken in such steps, so that one look at it stays short."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the log was looked at, and the runs that are still to be requested for that."""

    log_offset: int = 0
    waiting: list[Span] = field(default_factory=list)

    @classmethod
    def read(cls, text: str | None) -> "Cursor":
        """The cursor as Dagster keeps it."""
        if not text:
            return cls()
        kept = orjson.loads(text)
        return cls(kept["log_offset"], [Span(**span) for span in kept["waiting"]])

    def text(self) -> str:
        """The cursor as Dagster is to keep it."""
        return orjson.dumps(asdict(self)).decode()


@dg.sensor(
    job=refresh,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Refreshes the days that new events touch, a late event's own day included.",
)
def new_events(context: dg.SensorEvaluationContext, log: LogResource) -> dg.SensorResult | dg.SkipReason:
    """Requests the next run unless one is at work; one that a signal of drift waits for, as soon as none is.

    Shows how far the log is that it reads.
    """
    cursor = Cursor.read(context.cursor)

    def is_due() -> bool:
        return signalled(log) > cursor.log_offset and _at_work(context.instance) is None

    return answered(log, lambda: _asked(context.instance, log, cursor), is_due)


def _at_work(instance: dg.DagsterInstance) -> str | None:
    """What the next refresh has to wait for."""
    if is_running(instance, refresh.name):
        return "a refresh is running"
    if is_running(instance, retrain.name):
        return "a training is running; what it reads is not replaced meanwhile"
    return None


def _asked(instance: dg.DagsterInstance, log: LogResource, cursor: Cursor) -> Answer:
    reason = _at_work(instance)
    if reason is not None:
        return dg.SkipReason(reason)
    again = retried(newest_run(instance))
    if again is not None:
        return dg.SensorResult(run_requests=[again])
    cursor = look(cursor, log)
    if not cursor.waiting:
        skipped = dg.SkipReason(f"nothing new up to offset {cursor.log_offset}")
        return dg.SensorResult(skip_reason=skipped, cursor=cursor.text())
    span, *waiting = cursor.waiting
    request = dg.RunRequest(
        run_key=f"{refresh.name}-{cursor.log_offset}-{span.first}-{span.last}-{len(waiting)}",
        partition_key=span.first if span.first == span.last else None,
        tags={**span_tags(span.first, span.last), UPTO_TAG: str(cursor.log_offset), DAYS_LEFT_TAG: str(len(waiting))},
    )
    instance.report_runless_asset_event(staged(cursor.log_offset))
    return dg.SensorResult(run_requests=[request], cursor=Cursor(cursor.log_offset, waiting).text())


def staged(log_offset: int) -> dg.AssetMaterialization:
    """That the table outside has facts up to an offset; without a gap, that is how many there are."""
    told = {"log_offset": log_offset, "dagster/row_count": log_offset}
    return dg.AssetMaterialization("staging_feedback_events", metadata=told)


def look(cursor: Cursor, log: LogResource) -> Cursor:
    """The cursor with something to do, where there is something new; what waits already is done first."""
    if cursor.waiting:
        return cursor
    with log.session() as session:
        upto_offset = min(event_log.head(session), cursor.log_offset + MOST_OFFSETS)
        received, reached = changed_days(session, cursor.log_offset, upto_offset)
    return Cursor(upto_offset, planned(received, reached, log.settings.first_day))


def newest_run(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    """The newest run that this sensor requested."""
    mine = dg.RunsFilter(job_name=refresh.name, tags={SENSOR_NAME_TAG: "new_events"})
    return next(iter(instance.get_runs(mine, limit=1)), None)


def retried(run: dg.DagsterRun | None) -> dg.RunRequest | None:
    """The same run once more, where it failed or was killed, not blocked, and this was not its last attempt."""
    if run is None or run.status != dg.DagsterRunStatus.FAILURE or BLOCKED_TAG in run.tags:
        return None
    attempt = int(run.tags.get(ATTEMPT_TAG, "1")) + 1
    if attempt > MOST_ATTEMPTS:
        return None
    tags = {name: value for name, value in run.tags.items() if not name.startswith((".", "dagster/"))}
    ranged = {name: run.tags[name] for name in RANGE_TAGS if name in run.tags}
    return dg.RunRequest(
        run_key=f"{refresh.name}-again-{run.run_id}",
        partition_key=run.tags.get(PARTITION_NAME_TAG) if not ranged else None,
        tags={**tags, **ranged, ATTEMPT_TAG: str(attempt)},
    )
