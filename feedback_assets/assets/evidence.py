"""The evidence group: how far feedback may be relied on; who answers, against who is served, and who is listened to.

It looks at all days, at the newest answers of each model.
"""

import dagster as dg

from feedback_assets import biases, explaining, fidelities, trust_reports
from feedback_assets.io_manager import Described
from feedback_assets.lake import Table
from feedback_assets.resources import LogResource
from feedback_assets.told.evidence import bias_told
from feedback_assets.told.explaining import attributions_told, slices_told
from feedback_assets.told.fidelity import fidelity_told
from feedback_assets.told.trust import trust_told
from feedback_assets.trusting import heard, verdicts
from feedback_loop.learning.trust.standings import last_of

GROUP = "evidence"
OWNERS = ["team:ml-platform"]


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "duckdb", "parquet"})
def bias_report(
    context: dg.AssetExecutionContext,
    log: LogResource,
    attributed_feedback: Table,
    feedback_events: Table,
    inferences: Table,
) -> Described:
    """For each model: who answers against who is served, what that does to its figures, and whether it is too much."""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    with log.session() as session:
        told = heard(attributed_feedback, session, upto_offset)
    found = biases.biases(told, feedback_events, inferences, upto_offset)
    biases.tell(log, found, upto_offset)
    return Described(biases.rows(found, upto_offset), lambda rows: bias_told(found))


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "duckdb", "parquet"})
def failure_slices(labeled_set: Table, enriched_feedback: Table, inferences: Table) -> Described:
    """The segments, answers and inputs of each model that are wrong more often than the rest, beyond chance."""
    return Described(explaining.slices(labeled_set, enriched_feedback, inferences), slices_told)


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "scikitlearn", "parquet"})
def feature_attributions(log: LogResource, labeled_set: Table) -> Described:
    """What weighed most in the newest wrong answers of each champion, as SHAP values; of a text with its place."""
    return Described(explaining.attributions(log, labeled_set), attributions_told)


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "duckdb", "parquet"})
def trust_report(
    context: dg.AssetExecutionContext, log: LogResource, attributed_feedback: Table, feedback_events: Table
) -> Described:
    """For each end user: what they did, how they agree with what is known, and whether the loop listens to them."""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    with log.session() as session:
        decided = verdicts(session)
    found = trust_reports.users(attributed_feedback, feedback_events, decided, upto_offset)
    last = last_of(trust_reports.tell(log, found, upto_offset))
    return Described(trust_reports.rows(found, last, upto_offset), trust_told)


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "duckdb", "parquet"})
def fidelity_report(
    context: dg.AssetExecutionContext,
    log: LogResource,
    attributed_feedback: Table,
    feedback_events: Table,
    inferences: Table,
) -> Described:
    """For each model and source of feedback: how much it is worth, by metric and segment, and what has become worse."""
    upto_offset = log.upto_offset(context.instance, context.run.run_id)
    with log.session() as session:
        told = heard(attributed_feedback, session, upto_offset)
    found = fidelities.scored(told, feedback_events, inferences, upto_offset)
    fidelities.tell(log, found, upto_offset)
    return Described(fidelities.rows(found, upto_offset), lambda rows: fidelity_told(found))
