"""The jobs: `refresh` brings tables up to an offset, `retrain` makes a candidate for the gate, `replay` remembers.

`prefer` learns what people prefer; `review` brings up what people said alone, for whatever is no feedback: skips,
disputes, answers to gold items; `datasets` makes what was asked for over HTTP, which no asset follows from.
"""

import dagster as dg

from feedback_assets.asked_datasets import carry_out
from feedback_assets.resources import LogResource
from feedback_ingest import log as event_log

REQUEST_TAG = "feedback/request_offset"
"""Where in the log the request stands that a run carries out."""

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
        "judged_answers",
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
        "shadow_report",
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
    selection=["replay_buffer", "replayed_policy", "rehearsal_report", "feature_attributions", "reward_model"],
    executor_def=dg.in_process_executor,
    description="A snapshot of what happened, to learn from again, two learners that do, and what people preferred.",
)

prefer = dg.define_asset_job(
    "prefer",
    selection=["reward_model"],
    executor_def=dg.in_process_executor,
    description="Reward models of what people preferred, where there are enough new pairs.",
)

review = dg.define_asset_job(
    "review",
    selection=["review_queue", "review_labels", "reviewer_quality"],
    executor_def=dg.in_process_executor,
    description="What people were asked and what they said, up to an offset.",
)


@dg.op
def asked_dataset(context: dg.OpExecutionContext, log: LogResource) -> None:
    """Makes the dataset that the run's request asks for; its answer is a fact of the log."""
    offset = int(context.run.tags[REQUEST_TAG])
    with log.session() as session:
        request = event_log.at(session, [offset])[offset]
    answer = carry_out(log, request)
    context.add_output_metadata({name: dg.MetadataValue.text(str(told)) for name, told in answer.items()})


@dg.job(
    executor_def=dg.in_process_executor,
    description="One dataset, compiled or made again from the log, as POST /v1/datasets asked.",
)
def datasets() -> None:
    """The one op."""
    asked_dataset()
