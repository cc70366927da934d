"""Whether the stream's live numbers are what the log says; without a stream there is nothing to compare."""

from collections.abc import Iterator

import dagster as dg

from feedback_assets.lake import Lake
from feedback_assets.order import LAST
from feedback_assets.partitions import days_of
from feedback_assets.presentation import markdown_table
from feedback_assets.reconciliation import (
    Reconciled,
    reconcile_attribution,
    reconcile_enrichments,
    reconcile_metrics,
    reconcile_rewards,
)
from feedback_assets.resources import LogResource
from feedback_assets.stream_wait import wait_for_stream

ASSET = "feedback_metrics"
COMPARED = ("attributed_feedback", "enriched_feedback")
WAIT_S = 10.0
SPECS = [
    dg.AssetCheckSpec(
        "live_attribution_is_the_logs",
        asset=ASSET,
        description="The changes of attribution, folded up to the run's offset, are the rows of attributed_feedback.",
        additional_deps=["attributed_feedback"],
    ),
    dg.AssetCheckSpec(
        "live_metrics_are_the_logs",
        asset=ASSET,
        description="The live metrics are those of the live feedback, worked out anew, to the last digit.",
    ),
    dg.AssetCheckSpec(
        "live_enrichments_are_the_logs",
        asset=ASSET,
        description="What the stream added to feedback, and what sources answered for it, is in enriched_feedback.",
        additional_deps=["enriched_feedback"],
    ),
    dg.AssetCheckSpec(
        "live_rewards_are_the_logs",
        asset=ASSET,
        description="What inferences are worth live is what the graph makes of the live feedback, pending ones too.",
        additional_deps=["inference_rewards"],
    ),
]


@dg.multi_asset_check(name="live_against_log", specs=SPECS, op_tags=LAST)
def live_against_log(context: dg.AssetCheckExecutionContext, log: LogResource) -> Iterator[dg.AssetCheckResult]:
    """Waits for the stream to reach the run's offset, then compares."""
    engine, lake = log.database.engine, Lake(log.settings.lake_dir)
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    stream = wait_for_stream(engine, upto_offset, WAIT_S)
    if stream.log_offset < upto_offset:
        yield from (_not_compared(spec.name, stream.log_offset, upto_offset) for spec in SPECS)
        return
    rows = [lake.read(name, days_of(context.run.tags, lake.days(name))) for name in COMPARED]
    found = [
        reconcile_attribution(engine, rows[0], upto_offset),
        reconcile_metrics(engine, log.settings.bucket_s),
        reconcile_enrichments(engine, rows[1]),
        reconcile_rewards(engine),
    ]
    yield from (_compared(spec.name, each) for spec, each in zip(SPECS, found, strict=True))


def _not_compared(name: str, position: int, upto_offset: int) -> dg.AssetCheckResult:
    """Green where no stream ever ran; one that does not keep up is a warning."""
    note = f"the stream is at {position}, not at {upto_offset}" if position else "no live numbers to compare"
    warn = dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=ASSET, check_name=name, passed=position == 0, severity=warn, metadata={"note": note}
    )


def _compared(name: str, found: Reconciled) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=ASSET,
        check_name=name,
        passed=found.is_equal,
        metadata={
            "compared": found.compared,
            "differences": found.differences,
            "some of them": markdown_table(found.some, empty="none"),
            "note": found.note or "none",
        },
    )
