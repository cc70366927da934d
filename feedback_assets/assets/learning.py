"""The learning group: what there is to learn from, whether the world has moved, and what models are trained on.

Nothing here is by day: labels, windows and datasets look at all days.
"""

from functools import partial

import dagster as dg

from feedback_assets import facts
from feedback_assets.champions_drift import JUDGED_BY, reports
from feedback_assets.compiling import compile_dataset, dataset_row, recipe_for
from feedback_assets.dataset_sources import of_graph
from feedback_assets.drift_facts import tell_changes
from feedback_assets.io_manager import Described
from feedback_assets.lake import Lake, Table
from feedback_assets.lineage_links import dataset_links
from feedback_assets.order import TO_DRIFT
from feedback_assets.references import inputs_behind
from feedback_assets.resources import LogResource
from feedback_assets.routing import routed
from feedback_assets.told.learning import dataset_told, drift_told, labels_told
from feedback_assets.trusting import heard
from feedback_loop.learning import datasets

GROUP = "learning"
OWNERS = ["team:ml-platform"]


class ModelChoice(dg.Config):
    """Which model a dataset is for; without a name the one with the most labels."""

    project_id: int = 1
    model_name: str | None = None


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "duckdb", "parquet"}, op_tags=TO_DRIFT)
def labeled_set(context: dg.AssetExecutionContext, log: LogResource, enriched_feedback: Table) -> Described:
    """One row an inference whose right answer is known: the most trusted label; is it held out as golden?"""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    with log.session() as session:
        known = routed(enriched_feedback.filter(enriched_feedback.log_offset <= upto_offset), session, upto_offset)
        known = heard(known, session, upto_offset)
    rows = datasets.labeled_set(known, log.settings.golden_share).order_by("feedback_offset")
    return Described(rows, labels_told, note=str(upto_offset))


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "duckdb", "parquet"}, op_tags=TO_DRIFT)
def drift_report(
    context: dg.AssetExecutionContext, log: LogResource, labeled_set: Table, inferences: Table
) -> Described:
    """For each model: how its champion does now against how it did at first, and how far its inputs moved."""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    with log.session() as session:
        decisions = facts.read(session, JUDGED_BY, upto_offset)
    table = reports(labeled_set, inferences, decisions, upto_offset, log.settings, partial(inputs_behind, log))
    tell_changes(log, table)
    return Described(table, lambda rows: drift_told(rows, labeled_set, decisions))


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "duckdb", "parquet"})
def training_dataset(
    context: dg.AssetExecutionContext,
    config: ModelChoice,
    log: LogResource,
    labeled_set: Table,
    attributed_feedback: Table,
    quarantined_feedback: Table,
    feedback_events: Table,
    inferences: Table,
) -> Described:
    """The newest labelled rows of one model that are not golden: Parquet, a manifest, and a fact that says so."""
    log_offset = int(Lake(log.settings.lake_dir).note("labeled_set"))
    project_id, recipe = recipe_for(labeled_set, config.project_id, config.model_name, log.settings)
    sources = of_graph(log, attributed_feedback, quarantined_feedback, feedback_events, inferences, log_offset)
    dataset = compile_dataset(log, sources, recipe, project_id, log_offset)
    context.log.info(f"compiled {dataset.version} with {dataset.manifest['rows']} rows")
    links = dataset_links(log.settings, dataset.version)
    return Described(dataset_row(dataset), lambda rows: {**dataset_told(dataset), **links})
