"""The days that tables are cut into, and the tags that make a run exact; what a day holds is said by each asset."""

import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from feedback_ingest.settings import get_settings

# The tests hold us to what it does in the version that is locked.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy")

UPTO_TAG = "feedback/upto_offset"
"""The run reads the log up to this offset, inclusive; a re-run with the same tag gives the same tables."""

DAYS_LEFT_TAG = "feedback/days_left"
"""How many changed days still wait for a run of their own; 0 means that the tables are settled at the offset."""

BLOCKED_TAG = "feedback/blocked_by"
"""The rules that ended the run, as the check tags it: trying it again would find the same rows."""

days = dg.DailyPartitionsDefinition(start_date=str(get_settings().first_day), timezone="UTC", end_offset=1)
"""UTC days of `received_at`, up to and including today."""

RANGE_TAGS = (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
"""Dagster's own: the days of a run over several."""

ONE_RUN = dg.BackfillPolicy.single_run()
"""A range of days is one run: feedback of one day may belong to an inference of another."""

ALL_DAYS = dg.AllPartitionMapping()
"""What an asset needs that looks beyond its own day: inferences, and what undoes feedback."""


def bounds(keys: Sequence[str]) -> tuple[datetime, datetime]:
    """Start (inclusive) and end (exclusive) of a run of days, in UTC."""
    first, last = date.fromisoformat(keys[0]), date.fromisoformat(keys[-1])
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    return start, end


def days_of(tags: Mapping[str, str], stored: Sequence[str]) -> list[str]:
    """The days of a run by its tags; a run without any looks at the newest day that is stored."""
    if PARTITION_NAME_TAG in tags:
        return [tags[PARTITION_NAME_TAG]]
    if ASSET_PARTITION_RANGE_START_TAG in tags:
        first, last = tags[ASSET_PARTITION_RANGE_START_TAG], tags[ASSET_PARTITION_RANGE_END_TAG]
        return [day for day in stored if first <= day <= last]
    return list(stored[-1:])


def span_tags(first: str, last: str) -> dict[str, str]:
    """The tags of a run over a range of days; none for a single day, which is a run's partition key."""
    if first == last:
        return {}
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
