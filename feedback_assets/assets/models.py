"""The models group: a candidate is trained, evaluated beside the champion, and takes its place or is refused.

The job `retrain` comes here, started by the drift sensor or by hand, and each refresh looks at who answers in the
shadow; what serves is outside and only watched. An asset that may use Pipes must say that its result is an Output.
"""

import dagster as dg

from feedback_assets import shadows
from feedback_assets.candidates import carry_out, compared, goes_into_shadow, summary, tell_mlflow, train_candidate
from feedback_assets.io_manager import Described
from feedback_assets.lake import Table
from feedback_assets.lineage_links import model_links
from feedback_assets.model_rows import candidate_row, evaluation_rows, evaluations_of, one_row, verdict_row
from feedback_assets.own_training import Script
from feedback_assets.resources import LogResource
from feedback_assets.told.models import candidate_told, evaluation_told, verdict_told
from feedback_loop.learning.promotion import decide
from feedback_loop.registry.shelf import SHADOW

GROUP = "models"
OWNERS = ["team:ml-platform"]
Pipes = dg.ResourceParam[dg.PipesClient]


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "scikitlearn", "mlflow"})
def candidate_model(
    context: dg.AssetExecutionContext,
    log: LogResource,
    pipes: Pipes,
    training_dataset: Table,
) -> dg.Output[Described]:
    """A model trained on the newest dataset and named after it, on the shelf with its digest; it serves nobody yet."""
    dataset = one_row(training_dataset)
    registered, model = train_candidate(log, dataset, Script(context, pipes, log))
    links = model_links(log.settings, registered.model_name, registered.model_version)
    told = {**candidate_told(registered, model), **links}
    return dg.Output(Described(candidate_row(registered, dataset), lambda rows: told))


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "scikitlearn", "duckdb"})
def model_evaluation(
    context: dg.AssetExecutionContext,
    log: LogResource,
    pipes: Pipes,
    candidate_model: Table,
    labeled_set: Table,
) -> dg.Output[Described]:
    """Candidate and champion on the same golden rows, which neither was trained on, and what the gate's checks say."""
    comparison = compared(log, one_row(candidate_model), labeled_set, Script(context, pipes, log))
    return dg.Output(Described(evaluation_rows(comparison), lambda rows: evaluation_told(comparison)))


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "postgres", "mlflow"})
def champion_model(
    context: dg.AssetExecutionContext, log: LogResource, candidate_model: Table, model_evaluation: Table
) -> Described:
    """The gate: a candidate that is better takes the champion's place; else it is refused, or answers in the shadow."""
    candidate, (ours, theirs, findings) = one_row(candidate_model), evaluations_of(model_evaluation)
    verdict = decide(ours, theirs, findings)
    serving = carry_out(log, candidate, verdict, summary(ours, theirs))
    links = model_links(log.settings, candidate["model_name"], candidate["model_version"])
    if verdict.promote:
        tell_mlflow(log, candidate)
        told = {"model_name": candidate["model_name"], "model_version": serving, **links}
        context.instance.report_runless_asset_event(dg.AssetMaterialization("serving_model", metadata=told))
    elif goes_into_shadow(log, verdict):
        tell_mlflow(log, candidate, SHADOW)
    row = verdict_row(candidate, verdict, serving, goes_into_shadow(log, verdict))
    return Described(row, lambda rows: {**verdict_told(rows), **links})


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python", "postgres", "duckdb"})
def shadow_report(context: dg.AssetExecutionContext, log: LogResource, labeled_set: Table) -> Described:
    """Versions that answer beside a champion: how they did since, and which of them take its place or are let go."""
    found = shadows.report(log, labeled_set)
    for row in shadows.promoted(found):
        links = model_links(log.settings, row["model_name"], row["shadow_version"])
        told = {"model_name": row["model_name"], "model_version": row["shadow_version"], **links}
        context.instance.report_runless_asset_event(dg.AssetMaterialization("serving_model", metadata=told))
    return Described(found, shadows.shadows_told)


serving_model = dg.AssetSpec(
    "serving_model",
    group_name=GROUP,
    deps=[champion_model],
    description="The model that client apps answer with: they follow `GET /v1/models/{name}` and load its artifact.",
    owners=["team:serving"],
    kinds={"scikitlearn"},
)
