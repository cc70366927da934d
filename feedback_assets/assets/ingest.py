"""The ingest group: the log as Parquet by day received, split into what keeps the rules and what does not.

Here belongs what copies facts and judges them one day at a time; what facts mean is for meaning.py.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from feedback_assets import shared_lake
from feedback_assets.exporting import Export, Span
from feedback_assets.io_manager import Described
from feedback_assets.lake import Lake, Table, held
from feedback_assets.order import TO_DRIFT
from feedback_assets.partitions import ALL_DAYS, DAYS_LEFT_TAG, ONE_RUN, bounds, days
from feedback_assets.policies import decided
from feedback_assets.presentation import counts, markdown_table, sample
from feedback_assets.quarantine_facts import tell_set_aside
from feedback_assets.resources import LogResource
from feedback_assets.splitting import broken_counts, evidence, judged, kept, set_aside
from feedback_loop.learning.context import CONTEXT_ANSWERED

GROUP = "ingest"
OWNERS = ["team:data-platform"]

staging_feedback_events = dg.AssetSpec(
    "staging_feedback_events",
    group_name=GROUP,
    description="The event log in Postgres, `staging.feedback_events`: every fact once, written by the ingestion API.",
    owners=OWNERS,
    kinds={"postgres", "fastapi"},
)


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "postgres", "parquet"},
    deps=[staging_feedback_events],
    partitions_def=days,
    backfill_policy=ONE_RUN,
    op_tags=TO_DRIFT,
)
def feedback_events(context: dg.AssetExecutionContext, log: LogResource) -> Described:
    """Feedback as it stands in the log, one flat row each, by the UTC day it was received."""
    export = _export(context, log, "feedback")
    return Described(export.reader(), lambda table: _told(table, export, "feedback_type", "source_kind"), export.note)


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "postgres", "parquet"},
    deps=[staging_feedback_events],
    partitions_def=days,
    backfill_policy=ONE_RUN,
    op_tags=TO_DRIFT,
)
def inferences(context: dg.AssetExecutionContext, log: LogResource) -> Described:
    """What models answered, one flat row each, by the UTC day it was received."""
    export = _export(context, log, "inference")
    return Described(export.reader(), lambda table: _told(table, export, "model_name", "model_version"), export.note)


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "postgres", "parquet"},
    deps=[staging_feedback_events],
    partitions_def=days,
    backfill_policy=ONE_RUN,
    op_tags=TO_DRIFT,
)
def context_answers(context: dg.AssetExecutionContext, log: LogResource) -> Described:
    """What sources outside the log answered, or why they did not, with version and digest, by the UTC day received."""
    export = _export(context, log, CONTEXT_ANSWERED)
    return Described(export.reader(), lambda table: _told(table, export, "source", "missing"), export.note)


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "duckdb", "parquet"},
    partitions_def=days,
    backfill_policy=ONE_RUN,
)
def feedback_lake(context: dg.AssetExecutionContext, log: LogResource, feedback_events: Table) -> Described:
    """Feedback as hive-partitioned Parquet for tools outside, in a folder or on S3; files are only ever added."""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    added = shared_lake.add(log.settings, feedback_events, context.partition_keys, upto_offset)
    return Described(added, lambda table: {"files added": markdown_table(sample(table, *table.columns), empty="none")})


@dg.multi_asset(
    group_name=GROUP,
    partitions_def=days,
    backfill_policy=ONE_RUN,
    op_tags=TO_DRIFT,
    ins={
        "feedback_events": dg.AssetIn(partition_mapping=ALL_DAYS),
        "inferences": dg.AssetIn(partition_mapping=ALL_DAYS),
    },
    outs={
        "validated_feedback": dg.AssetOut(
            description="Feedback that keeps every rule, with what each rule measured of it.",
            owners=OWNERS,
            kinds={"python", "duckdb", "parquet"},
        ),
        "quarantined_feedback": dg.AssetOut(
            description="Feedback that breaks a rule, and which: kept, shown, and left out of everything that follows.",
            owners=OWNERS,
            kinds={"python", "duckdb", "parquet"},
        ),
    },
)
def validation(
    context: dg.AssetExecutionContext, log: LogResource, feedback_events: Table, inferences: Table
) -> tuple[Described, Described]:
    """Sets aside what breaks a rule; whether that is too much is said by the asset checks."""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    with log.session() as session:
        known = decided(session, upto_offset)
    span = bounds(context.partition_keys)
    rows = held(judged(evidence(feedback_events, inferences, span, upto_offset, known)), "judged_feedback")
    tell_set_aside(log, set_aside(rows), upto_offset)
    return (
        Described(kept(rows), lambda table: {"by type": markdown_table(counts(table, "feedback_type"))}),
        Described(set_aside(rows), _quarantine_told),
    )


def _export(context: dg.AssetExecutionContext, log: LogResource, kind: str) -> Export:
    """The run's days; a run that the sensor asked for goes on from the file of the last one, any other starts anew."""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    keys = context.partition_keys
    goes_on = DAYS_LEFT_TAG in context.run.tags and len(keys) == 1
    earlier = Lake(log.settings.lake_dir).path(context.asset_key.path[-1], keys[0]) if goes_on else None
    return Export(log.session, kind, Span(*bounds(keys), upto_offset), earlier)


def _told(table: Table, export: Export, *by: str) -> Mapping[str, Any]:
    return {"by " + ", ".join(by): markdown_table(counts(table, *by)), "unreadable offsets": str(export.unreadable)}


def _quarantine_told(table: Table) -> Mapping[str, Any]:
    columns = ("log_offset", "feedback_id", "feedback_type", "user_ref", "label", "broken_rules")
    return {"by rule": markdown_table(broken_counts(table)), "sample": markdown_table(sample(table, *columns))}
