"""The meaning group: what feedback says of which answer, by day received, and the metrics that follow from it.

The meanings themselves are functions of `feedback_loop.learning`, the same that the stream calls one event at a time.
"""

import dagster as dg

from feedback_assets import facts
from feedback_assets.daily import attributed_days, context_upto, judged_days, metrics_days
from feedback_assets.io_manager import Described
from feedback_assets.lake import Table
from feedback_assets.order import TO_DRIFT
from feedback_assets.partitions import ALL_DAYS, ONE_RUN, days
from feedback_assets.policies import newest_receipt, waits_upto
from feedback_assets.presentation import counts, markdown_table
from feedback_assets.resources import LogResource
from feedback_assets.samples import samples_upto
from feedback_assets.told.meaning import enrichment_told, judgements_told, metrics_told
from feedback_assets.trusting import counted, verdicts
from feedback_ingest.decisions import METRIC_REGISTERED
from feedback_loop.learning.enrichers import enriched
from feedback_loop.learning.metrics import registered_metrics
from feedback_loop.learning.rewards import rewards
from feedback_loop.registry.reward_models import judges

GROUP = "meaning"
OWNERS = ["team:ml-platform"]
KINDS = {"python", "duckdb", "parquet"}


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds=KINDS,
    partitions_def=days,
    backfill_policy=ONE_RUN,
    op_tags=TO_DRIFT,
    ins={
        "feedback_events": dg.AssetIn(partition_mapping=ALL_DAYS),
        "inferences": dg.AssetIn(partition_mapping=ALL_DAYS),
    },
)
def attributed_feedback(
    context: dg.AssetExecutionContext,
    log: LogResource,
    validated_feedback: Table,
    feedback_events: Table,
    inferences: Table,
) -> Described:
    """Feedback linked to its inference: pending, attributed, late, orphaned or mismatched; right or wrong; undone."""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    with log.session() as session:
        waits, newest = waits_upto(session, upto_offset), newest_receipt(session, upto_offset)
    table = attributed_days(validated_feedback, feedback_events, inferences, upto_offset, waits, newest)
    return Described(table, lambda rows: {"by state": markdown_table(counts(rows, "state", "feedback_type"))})


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds=KINDS,
    partitions_def=days,
    backfill_policy=ONE_RUN,
    ins={"attributed_feedback": dg.AssetIn(partition_mapping=ALL_DAYS)},
)
def inference_rewards(
    context: dg.AssetExecutionContext, log: LogResource, attributed_feedback: Table, inferences: Table
) -> Described:
    """What an inference is worth under each metric that a policy names: by its feedback as one, or by default."""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    with log.session() as session:
        waits, newest = waits_upto(session, upto_offset), newest_receipt(session, upto_offset)
    known = inferences.filter(inferences.log_offset <= upto_offset)
    table = rewards(attributed_feedback, known, waits, newest).order_by("inference_offset", "metric")
    return Described(table, lambda rows: {"by state": markdown_table(counts(rows, "metric", "state"))})


@dg.asset(group_name=GROUP, owners=OWNERS, kinds=KINDS, partitions_def=days, backfill_policy=ONE_RUN, op_tags=TO_DRIFT)
def judged_answers(context: dg.AssetExecutionContext, log: LogResource, inferences: Table) -> Described:
    """How good each answer is, as the reward model has it that was in force when it came; none before the first."""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    with log.session() as session:
        known = judges(session, upto_offset)
    return Described(judged_days(inferences, known, upto_offset), judgements_told)


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds=KINDS,
    partitions_def=days,
    backfill_policy=ONE_RUN,
    op_tags=TO_DRIFT,
    ins={
        "inferences": dg.AssetIn(partition_mapping=ALL_DAYS),
        "judged_answers": dg.AssetIn(partition_mapping=ALL_DAYS),
        "feedback_events": dg.AssetIn(partition_mapping=ALL_DAYS),
        "context_answers": dg.AssetIn(partition_mapping=ALL_DAYS),
    },
)
def enriched_feedback(
    context: dg.AssetExecutionContext,
    log: LogResource,
    attributed_feedback: Table,
    inferences: Table,
    judged_answers: Table,
    feedback_events: Table,
    context_answers: Table,
) -> Described:
    """Attributed feedback with what is known of its inference, session and context; `missing` names what is not."""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    outside = context_upto(context_answers, upto_offset, log.settings)
    with log.session() as session:
        samples = samples_upto(session, inferences, upto_offset)
    table = enriched(attributed_feedback, inferences, feedback_events, outside, samples, judged_answers)
    table = table.order_by("log_offset")
    return Described(table, enrichment_told)


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds=KINDS,
    partitions_def=days,
    backfill_policy=ONE_RUN,
    ins={
        "enriched_feedback": dg.AssetIn(partition_mapping=ALL_DAYS),
        "feedback_events": dg.AssetIn(partition_mapping=ALL_DAYS),
        "inferences": dg.AssetIn(partition_mapping=ALL_DAYS),
        "judged_answers": dg.AssetIn(partition_mapping=ALL_DAYS),
    },
)
def feedback_metrics(
    context: dg.AssetExecutionContext,
    log: LogResource,
    enriched_feedback: Table,
    feedback_events: Table,
    inferences: Table,
    judged_answers: Table,
) -> Described:
    """Accuracy and the other metrics by model version, segment and bucket of event time, as exact ratios."""
    with log.session() as session:
        own = registered_metrics(facts.read(session, (METRIC_REGISTERED,)))
        decided = verdicts(session)
    keys, bucket_s = context.partition_keys, log.settings.bucket_s
    told = counted(enriched_feedback, feedback_events, log.settings.votes_a_day, decided)
    table = metrics_days(told, feedback_events, inferences, keys, bucket_s, own, judged_answers)
    return Described(table, metrics_told)
