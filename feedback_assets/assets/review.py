"""The review group: what people were asked and what they said, as the log tells it; how they do, and how the models do.

The tables that reviewers work with are not read here: whatever stands in them is in the log.
"""

import dagster as dg

from feedback_assets import facts, review_tables
from feedback_assets.io_manager import Described
from feedback_assets.lake import Table
from feedback_assets.resources import LogResource
from feedback_assets.told.review import audits_told, golden_told, labels_told, quality_told, queue_told

GROUP = "review"
OWNERS = ["team:ml-platform"]


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "postgres", "parquet"}, deps=["staging_feedback_events"])
def review_queue(context: dg.AssetExecutionContext, log: LogResource) -> Described:
    """One row an item that people were asked about: why, how urgently, how many labels it has, and what was found."""
    with log.session() as session:
        told = facts.read(session, review_tables.KINDS, log.upto_offset(context.instance, context.run.run_id))
    return Described(review_tables.tasks(told), queue_told)


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "postgres", "parquet"}, deps=["review_queue"])
def review_labels(context: dg.AssetExecutionContext, log: LogResource) -> Described:
    """One row a label, skip or escalation of one reviewer, beside the verdict."""
    with log.session() as session:
        told = facts.read(session, review_tables.KINDS, log.upto_offset(context.instance, context.run.run_id))
    return Described(review_tables.labels(told), labels_told)


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "parquet"})
def reviewer_quality(review_labels: Table) -> Described:
    """One row a queue and reviewer: how much, how well by the gold items, how far in agreement with the verdicts."""
    return Described(review_tables.quality(review_labels), quality_told)


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "duckdb", "parquet"})
def golden_set(labeled_set: Table) -> Described:
    """The labelled rows that no model is trained on; a digest of them is the version that evaluations rest on."""
    rows = labeled_set.filter(labeled_set.is_golden).order_by("feedback_offset")
    return Described(rows, golden_told, note=review_tables.version(rows))


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "duckdb", "parquet"})
def audit_estimates(
    context: dg.AssetExecutionContext, log: LogResource, labeled_set: Table, inferences: Table
) -> Described:
    """How often each model is wrong, by the random audits alone, which nothing but chance chooses for."""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    with log.session() as session:
        told = facts.read(session, review_tables.POLICIES, upto_offset)
    return Described(review_tables.audits(told, labeled_set, inferences), audits_told)
