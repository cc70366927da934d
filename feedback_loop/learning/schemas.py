"""The columns of the tables that learning speaks of, as pyarrow schemas; a JSON text column holds compact JSON."""

import pyarrow as pa

TIME = pa.timestamp("us", "UTC")
"""Every time is UTC in microseconds."""

AMOUNT = pa.decimal128(38, 6)
"""Numerators and denominators of metrics: exact, so that live and batch agree to the last digit."""

SQUARE = pa.decimal128(38, 12)
"""Sums of squares of such amounts."""

FEEDBACK_SCHEMA = pa.schema(
    [
        pa.field("log_offset", pa.int64(), nullable=False),
        pa.field("project_id", pa.int32(), nullable=False),
        pa.field("feedback_id", pa.string(), nullable=False),
        pa.field("inference_request_id", pa.string(), nullable=False),
        pa.field("model_name", pa.string()),  # null when the client named none
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("feedback_type", pa.string(), nullable=False),
        pa.field("metric", pa.string()),
        pa.field("source_kind", pa.string(), nullable=False),
        pa.field("user_ref", pa.string()),  # pseudonym
        pa.field("session_id", pa.string()),
        pa.field("episode_id", pa.string()),
        pa.field("step", pa.int64()),
        pa.field("segments", pa.string()),  # JSON text
        pa.field("tags", pa.string()),  # JSON text
        pa.field("occurred_at", TIME, nullable=False),  # never after received_at
        pa.field("received_at", TIME, nullable=False),
        pa.field("label", pa.string()),  # JSON text: "3" and 3 differ
        pa.field("text", pa.string()),
        pa.field("reward", pa.float64()),  # rounded to 6 places, half to even
        pa.field("number", pa.float64()),  # on its own scale, rounded likewise
        pa.field("preferred", pa.string()),
        pa.field("rejected", pa.string()),
        pa.field("tie", pa.bool_()),
        pa.field("target_feedback_id", pa.string()),  # what a retraction retracts, or an edit supersedes
        pa.field("is_retraction", pa.bool_(), nullable=False),
        pa.field("clock_skew", pa.bool_(), nullable=False),
        pa.field("training_consent", pa.bool_(), nullable=False),
        pa.field("pass_probability", pa.float64(), nullable=False),
        pa.field("feedback_value", pa.string(), nullable=False),  # JSON text
    ]
)

INFERENCE_SCHEMA = pa.schema(
    [
        pa.field("log_offset", pa.int64(), nullable=False),
        pa.field("project_id", pa.int32(), nullable=False),
        pa.field("inference_request_id", pa.string(), nullable=False),
        pa.field("model_name", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("occurred_at", TIME, nullable=False),
        pa.field("received_at", TIME, nullable=False),
        pa.field("answer_label", pa.string()),  # JSON text, never a list
        pa.field("answer_text", pa.string()),
        pa.field("output_ids", pa.list_(pa.string()), nullable=False),
        pa.field("output_versions", pa.list_(pa.string())),  # of each output, the inference's own where it has none
        pa.field("probabilities", pa.list_(pa.float64())),  # of the chosen output, logged or by its logits
        pa.field("confidence", pa.float64()),
        pa.field("propensity", pa.float64()),  # how likely the policy was to choose that output
        pa.field("segments", pa.string()),  # JSON text
        pa.field("inputs", pa.string()),  # JSON text; of the embedding where there are no inputs
        pa.field("inputs_ref", pa.string()),  # where they stand instead
        pa.field("has_inputs", pa.bool_()),  # here or elsewhere
        pa.field("outputs", pa.string()),  # JSON text, all of them
        pa.field("action", pa.string()),  # the name of what was answered: item, label, or output
        pa.field("embedding", pa.list_(pa.float64())),
        pa.field("attributed_to", pa.list_(pa.string())),  # the features that weighed most, as logged
    ]
)

ATTRIBUTED_SCHEMA = pa.schema(
    [
        *(pa.field(field.name, field.type) for field in FEEDBACK_SCHEMA),
        pa.field("state", pa.string()),
        pa.field("inference_offset", pa.int64()),
        pa.field("correct", pa.bool_()),
        pa.field("answer_label", pa.string()),
        pa.field("is_undone", pa.bool_()),
    ]
)

ENRICHED_SCHEMA = pa.schema(
    [
        *ATTRIBUTED_SCHEMA,
        pa.field("confidence", pa.float64()),
        pa.field("entropy", pa.float64()),  # nats, rounded to 6 places
        pa.field("margin", pa.float64()),
        pa.field("text_characters", pa.int64()),
        pa.field("text_words", pa.int64()),
        pa.field("text_language", pa.string()),  # ISO 639-1
        pa.field("novelty", pa.float64()),  # distance to what the version was trained on, 0 to 1
        pa.field("session_position", pa.int64()),  # from 1
        pa.field("session_earlier_negatives", pa.int64()),
        pa.field("session_gap_s", pa.float64()),  # since the signal before it
        pa.field("reward_score", pa.float64()),  # 0 to 1, as the reward model has it that was in force
        pa.field("reward_model_version", pa.string()),
        pa.field("context", pa.string()),  # JSON text: what each source outside the log knows, by its name
        pa.field("missing", pa.list_(pa.string())),  # the enrichers and sources that had nothing to say of it
        pa.field("answer_text", pa.string()),
        pa.field("inputs", pa.string()),
        pa.field("inputs_ref", pa.string()),
        pa.field("embedding", pa.list_(pa.float64())),  # as logged
    ]
)

REWARD_SCHEMA = pa.schema(
    [
        pa.field("project_id", pa.int32()),
        pa.field("inference_request_id", pa.string()),
        pa.field("metric", pa.string()),
        pa.field("inference_offset", pa.int64()),
        pa.field("model_name", pa.string()),
        pa.field("model_version", pa.string()),
        pa.field("occurred_at", TIME),  # of the inference, as is its receipt
        pa.field("received_at", TIME),
        pa.field("state", pa.string()),  # pending, attributed, defaulted
        pa.field("reward", pa.float64()),
        pa.field("votes", pa.int64()),
        pa.field("feedback_id", pa.string()),  # that decides, where one does
    ]
)

CONTEXT_SCHEMA = pa.schema(
    [
        pa.field("log_offset", pa.int64()),
        pa.field("project_id", pa.int32()),
        pa.field("source", pa.string()),
        pa.field("about", pa.string()),  # a person's pseudonym, or an inference_request_id
        pa.field("received_at", TIME),
        pa.field("version", pa.string()),  # of what was asked
        pa.field("digest", pa.string()),  # SHA-256 of the answer's canonical JSON, in hex
        pa.field("answer", pa.string()),  # JSON text; null where there was none
        pa.field("missing", pa.string()),  # why there was none
    ]
)

METRICS_SCHEMA = pa.schema(
    [
        pa.field("project_id", pa.int32()),
        pa.field("model_name", pa.string()),
        pa.field("model_version", pa.string()),
        pa.field("metric", pa.string()),
        pa.field("segment", pa.string()),  # name=value; empty: all
        pa.field("bucket_start", TIME),
        pa.field("numerator", AMOUNT),
        pa.field("denominator", AMOUNT),
        pa.field("squares", SQUARE),  # of what the numerator sums, where the metric's interval needs them
        pa.field("weights", AMOUNT),  # squares of what each case of the denominator stands for
    ]
)

LABELED_SCHEMA = pa.schema(
    [
        pa.field("project_id", pa.int32()),
        pa.field("inference_request_id", pa.string()),
        pa.field("feedback_id", pa.string()),
        pa.field("feedback_offset", pa.int64()),
        pa.field("inference_offset", pa.int64()),
        pa.field("model_name", pa.string()),
        pa.field("model_version", pa.string()),
        pa.field("label", pa.string()),  # JSON text, never a list
        pa.field("answer_label", pa.string()),
        pa.field("correct", pa.bool_()),
        pa.field("occurred_at", TIME),
        pa.field("source_type", pa.string()),  # the feedback_type the label came from
        pa.field("training_consent", pa.bool_()),
        pa.field("inputs", pa.string()),  # JSON text
        pa.field("inputs_ref", pa.string()),
        pa.field("is_golden", pa.bool_()),
        pa.field("source_kind", pa.string()),
        pa.field("user_ref", pa.string()),
        pa.field("session_id", pa.string()),
        pa.field("weight", pa.float64()),  # what it stands for, where its client sampled
    ]
)
