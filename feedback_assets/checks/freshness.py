"""Whether the export keeps up with the log, and whether the log itself is whole."""

from datetime import datetime

import dagster as dg
from sqlalchemy import text

from feedback_assets.exporting import Note
from feedback_assets.lake import Lake
from feedback_assets.resources import LogResource
from feedback_ingest.clock import utc_now

ASSET = "feedback_events"
STALE_S = 300
NEWEST = 1_000_000

WAITING = """
SELECT min(received_at) AS oldest, count(*) AS rows FROM staging.known_events
WHERE kind = 'feedback' AND log_offset > :upto
"""
WHOLE = """
SELECT count(*) AS rows, coalesce(max(log_offset) - min(log_offset) + 1, 0) AS span
FROM staging.known_events WHERE log_offset > :after AND log_offset <= :upto
"""


@dg.asset_check(asset=ASSET, description=f"No feedback has waited longer than {STALE_S} s to be exported.")
def export_is_fresh(log: LogResource) -> dg.AssetCheckResult:
    """Looks for the oldest feedback after the offset that the newest export reached."""
    lake = Lake(log.settings.lake_dir)
    notes = [Note.read(lake.note(ASSET, day)) for day in lake.days(ASSET)[-7:]]
    reached = max((note.upto_offset for note in notes if note), default=0)
    with log.session() as session:
        waiting = session.execute(text(WAITING), {"upto": reached}).one()
    lag_s = waited_s(waiting.oldest, utc_now())
    return dg.AssetCheckResult(
        passed=lag_s <= STALE_S, metadata={"lag_s": lag_s, "rows waiting": waiting.rows, "exported up to": reached}
    )


@dg.asset_check(asset=ASSET, description="The log has every offset once: count = last - first + 1.")
def log_is_gapless(context: dg.AssetCheckExecutionContext, log: LogResource) -> dg.AssetCheckResult:
    """Counts the newest offsets up to the run's."""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    with log.session() as session:
        found = session.execute(text(WHOLE), {"upto": upto_offset, "after": upto_offset - NEWEST}).one()
    return dg.AssetCheckResult(passed=found.rows == found.span, metadata={"rows": found.rows, "offsets": found.span})


def waited_s(oldest: datetime | None, now: datetime) -> float:
    """How long the oldest waiting event has waited; 0 where none waits."""
    return 0.0 if oldest is None else max((now - oldest).total_seconds(), 0.0)
