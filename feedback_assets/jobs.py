"""The jobs: `refresh` brings tables up to an offset, `retrain` makes a candidate for the gate, `replay` remembers.

`review` brings up what people said alone, for whatever is no feedback: skips, disputes, answers to gold items.
"""

import dagster as dg

refresh = dg.define_asset_job(
    "refresh",
    selection=[
        "feedback_events",
        "inferences",
        "context_answers",
        "feedback_lake",
        "validated_feedback",
        "quarantined_feedback",
        "attributed_feedback",
        "inference_rewards",
        "enriched_feedback",
        "feedback_metrics",
        "labeled_set",
        "drift_report",
        "bias_report",
        "failure_slices",
        "review_queue",
        "review_labels",
        "reviewer_quality",
        "golden_set",
        "audit_estimates",
        "trust_report",
        "fidelity_report",
    ],
    executor_def=dg.in_process_executor,
    description="The log up to an offset, as tables of the days it touches: validated, attributed, enriched, measured.",
)

retrain = dg.define_asset_job(
    "retrain",
    selection=["training_dataset", "candidate_model", "model_evaluation", "champion_model"],
    executor_def=dg.in_process_executor,
    description="A training dataset, a candidate, its evaluation beside the champion, and the gate.",
)

replay = dg.define_asset_job(
    "replay",
    selection=["replay_buffer", "replayed_policy", "rehearsal_report", "feature_attributions"],
    executor_def=dg.in_process_executor,
    description="A snapshot of what happened, to learn from again, and two learners that do.",
)

review = dg.define_asset_job(
    "review",
    selection=["review_queue", "review_labels", "reviewer_quality"],
    executor_def=dg.in_process_executor,
    description="What people were asked and what they said, up to an offset.",
)
