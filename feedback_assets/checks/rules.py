"""One check for each rule of `expectations`: Great Expectations is imported once a run, after all assets are done."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from expectations.rules import collect
from expectations.validation import RuleResult, references, validate
from feedback_assets.lake import Lake
from feedback_assets.order import TO_DRIFT
from feedback_assets.partitions import BLOCKED_TAG, bounds, days_of
from feedback_assets.policies import decided
from feedback_assets.presentation import markdown_table
from feedback_assets.resources import LogResource
from feedback_assets.splitting import evidence, failing

if TYPE_CHECKING:
    import ibis

ASSET = "validated_feedback"
FAILING_ROWS = 10

SPECS = [
    dg.AssetCheckSpec(
        name,
        asset=ASSET,
        description=rule.description,
        additional_deps=["quarantined_feedback"],
        blocking=rule.severity == "error",
    )
    for name, rule in collect().items()
]
"""A blocking one that fails ends the run before anything is made of its days: what stood there before stays current."""


@dg.multi_asset_check(name="rules_over_feedback", specs=SPECS, op_tags=TO_DRIFT)
def rules_over_feedback(context: dg.AssetCheckExecutionContext, log: LogResource) -> Iterator[dg.AssetCheckResult]:
    """Asks Great Expectations whether the run's days keep the rules, kept and quarantined rows together."""
    lake = Lake(log.settings.lake_dir)
    days = days_of(context.run.tags, lake.days(ASSET))
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    whole = [lake.read(name, lake.days(name)) for name in ("feedback_events", "inferences")]
    with log.session() as session:
        known = evidence(whole[0], whole[1], bounds(days), upto_offset, decided(session, upto_offset))
    kept, aside = (lake.read(name, days) for name in (ASSET, "quarantined_feedback"))
    rows = kept.union(aside)
    page = lake.folder / "data_docs" / f"{days[0]}.html"
    results = validate(rows.to_pyarrow(), references(known), page, f"feedback received from {days[0]} on")
    if blocking := [result.name for result in results if result.blocks]:
        context.instance.add_run_tags(context.run.run_id, {BLOCKED_TAG: ",".join(blocking)})
    yield from (_told(result, rows, page) for result in results)


def _told(result: RuleResult, rows: "ibis.Table", page: Path) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if result.blocks else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=ASSET,
        check_name=result.name,
        passed=result.success,
        severity=severity,
        metadata={**_metadata(result, rows), "data docs": dg.MetadataValue.url(page.resolve().as_uri())},
    )


def _metadata(result: RuleResult, rows: "ibis.Table") -> Mapping[str, Any]:
    rule = collect()[result.name]
    columns = dict.fromkeys(["log_offset", "feedback_id", "feedback_type", "user_ref", "label", rule.column])
    found = failing(rows, result.name).order_by("log_offset").limit(FAILING_ROWS).select(*columns)
    some = found.to_pyarrow().to_pylist() if result.unexpected else []
    return {
        "rows it applies to": result.applies,
        "rows that fail": result.unexpected,
        "share that fails": result.unexpected / result.applies if result.applies else 0.0,
        "note": result.note or "none",
        "failing rows": markdown_table(some, empty="none"),
    }
