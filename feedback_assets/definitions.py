"""The one thing Dagster loads: assets, checks, jobs, sensors and resources put together.

It must import fast and with no database up, so whatever is heavy is imported where it is used.
"""

import dagster as dg

from feedback_assets.assets import evidence, ingest, learning, meaning, models, preferences, review
from feedback_assets.assets import replay as replay_assets
from feedback_assets.checks import freshness, live, rules
from feedback_assets.checks import review as review_checks
from feedback_assets.io_manager import ParquetIOManager
from feedback_assets.jobs import datasets, prefer, refresh, replay, retrain
from feedback_assets.jobs import review as review_job
from feedback_assets.resources import LogResource
from feedback_assets.sensors.asked_datasets import asked_datasets
from feedback_assets.sensors.drift import drift
from feedback_assets.sensors.moved_champions import moved_champions
from feedback_assets.sensors.new_events import new_events
from feedback_assets.sensors.new_pairs import new_pairs
from feedback_assets.sensors.new_verdicts import new_verdicts
from feedback_assets.sensors.outside_reviews import outside_reviews
from feedback_assets.sensors.replayed import replayed
from feedback_assets.sensors.run_failure import run_failure

ASSETS: list[dg.AssetsDefinition | dg.AssetSpec] = [
    ingest.staging_feedback_events,
    ingest.feedback_events,
    ingest.inferences,
    ingest.context_answers,
    ingest.feedback_lake,
    ingest.validation,
    meaning.attributed_feedback,
    meaning.inference_rewards,
    meaning.judged_answers,
    meaning.enriched_feedback,
    meaning.feedback_metrics,
    evidence.bias_report,
    evidence.failure_slices,
    evidence.feature_attributions,
    evidence.trust_report,
    evidence.fidelity_report,
    learning.labeled_set,
    review.review_queue,
    review.review_labels,
    review.reviewer_quality,
    review.golden_set,
    review.audit_estimates,
    learning.drift_report,
    learning.training_dataset,
    replay_assets.replay_buffer,
    replay_assets.replayed_policy,
    replay_assets.rehearsal_report,
    preferences.reward_model,
    models.candidate_model,
    models.model_evaluation,
    models.champion_model,
    models.serving_model,
    models.shadow_report,
]
CHECKS = [
    rules.rules_over_feedback,
    freshness.export_is_fresh,
    freshness.log_is_gapless,
    live.live_against_log,
    review_checks.labels_are_as_asked,
    review_checks.verdicts_are_feedback,
    review_checks.golden_is_held_out,
]

defs = dg.Definitions(
    assets=ASSETS,
    asset_checks=CHECKS,
    jobs=[refresh, retrain, replay, prefer, review_job, datasets],
    sensors=[
        new_events,
        drift,
        moved_champions,
        new_pairs,
        new_verdicts,
        outside_reviews,
        replayed,
        run_failure,
        asked_datasets,
    ],
    resources={"io_manager": ParquetIOManager(), "log": LogResource(), "pipes": dg.PipesSubprocessClient()},
    executor=dg.in_process_executor,
)
