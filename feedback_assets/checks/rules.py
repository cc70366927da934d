"""One check for each rule of `expectations`: Great Expectations is imported once a run, after all assets are done."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from expectations.rules import collect
from expectations.validation import BROKEN, RuleResult, references, validate
from feedback_assets.lake import Lake
from feedback_assets.partitions import bounds, days_of
from feedback_assets.presentation import markdown_table
from feedback_assets.resources import LogResource
from feedback_assets.splitting import evidence

if TYPE_CHECKING:
    import ibis

ASSET = "validated_feedback"
LAST = {"dagster/priority": "-10"}
"""A check holds up no asset: what it finds broken is in quarantine already."""

FAILING_ROWS = 10

SPECS = [
    dg.AssetCheckSpec(name, asset=ASSET, description=rule.description, additional_deps=["quarantined_feedback"])
    for name, rule in collect().items()
]


@dg.multi_asset_check(name="rules_over_feedback", specs=SPECS, op_tags=LAST)
def rules_over_feedback(context: dg.AssetCheckExecutionContext, log: LogResource) -> Iterator[dg.AssetCheckResult]:
    """Asks Great Expectations whether the run's days keep the rules, kept and quarantined rows together."""
    lake = Lake(log.settings.lake_dir)
    days = days_of(context.run.tags, lake.days(ASSET))
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    whole = [lake.read(name, lake.days(name)) for name in ("feedback_events", "inferences")]
    known = evidence(whole[0], whole[1], bounds(days), upto_offset)
    kept, aside = (lake.read(name, days) for name in (ASSET, "quarantined_feedback"))
    for result in validate(kept.union(aside).to_pyarrow(), references(known)):
        yield _told(result, aside)


def _told(result: RuleResult, aside: "ibis.Table") -> dg.AssetCheckResult:
    rule = collect()[result.name]
    severity = dg.AssetCheckSeverity.ERROR if rule.severity == "error" else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=ASSET,
        check_name=result.name,
        passed=result.success,
        severity=severity,
        metadata=_metadata(result, aside),
    )


def _metadata(result: RuleResult, aside: "ibis.Table") -> Mapping[str, Any]:
    rule = collect()[result.name]
    failing = aside.filter(aside[BROKEN].contains(result.name)) if result.unexpected else None
    columns = dict.fromkeys(["log_offset", "feedback_id", "feedback_type", "user_ref", "label", rule.column])
    rows = failing.select(*columns).limit(FAILING_ROWS).to_pyarrow().to_pylist() if failing is not None else []
    return {
        "rows it applies to": result.applies,
        "rows that fail": result.unexpected,
        "share that fails": result.unexpected / result.applies if result.applies else 0.0,
        "note": result.note or "none",
        "failing rows": markdown_table(rows, empty="none"),
    }
