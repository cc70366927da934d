"""Preferences, part of the learning group: what people prefer, learnt as a reward model that judges answers."""

import dagster as dg

from feedback_assets import reward_models
from feedback_assets.dataset_sources import of_graph
from feedback_assets.io_manager import Described
from feedback_assets.lake import Lake, Table
from feedback_assets.resources import LogResource
from feedback_assets.told.preferences import reward_models_told


@dg.asset(group_name="learning", owners=["team:ml-platform"], kinds={"python", "scikitlearn", "mlflow"})
def reward_model(
    context: dg.AssetExecutionContext,
    log: LogResource,
    labeled_set: Table,
    attributed_feedback: Table,
    quarantined_feedback: Table,
    feedback_events: Table,
    inferences: Table,
) -> Described:
    """For each model that people compared answers of: a reward model, beside what knows nothing of the texts."""
    log_offset = int(Lake(log.settings.lake_dir).note("labeled_set"))
    sources = of_graph(log, attributed_feedback, quarantined_feedback, feedback_events, inferences, log_offset)
    found = reward_models.trained(log, sources, log_offset)
    for each in found:
        context.log.info(f"{each.model_name}: {each.reason}")
    return Described(reward_models.rows(found), lambda rows: reward_models_told(found))
