-- What makes the table enriched, by hand, for the made-up events alone.
WITH said AS (
    SELECT log_offset,
           row_number() OVER session AS session_position,
           coalesce(sum((feedback_type IN ('explicit_binary', 'explicit_rating') AND reward < 0.5)::BIGINT)
                    OVER (session ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::BIGINT
               AS session_earlier_negatives,
           date_diff('microsecond', lag(received_at) OVER session, received_at) / 1e6 AS session_gap_s
    FROM '{folder}/feedback.parquet' WHERE session_id IS NOT NULL
    WINDOW session AS (PARTITION BY project_id, session_id ORDER BY log_offset)
), known AS (
    SELECT project_id, inference_request_id, confidence,
           round(0.0 - list_sum([p * ln(p) FOR p IN probabilities IF p > 0]), 6) AS entropy,
           list_sort(probabilities)[-1] - list_sort(probabilities)[-2] AS margin, length(answer_text) AS text_characters,
           len(string_split(answer_text, ' ')) AS text_words, language_of(answer_text) AS text_language,
           answer_text, inputs, inputs_ref, embedding
    FROM '{folder}/inferences.parquet'
)
SELECT a.*, k.confidence, k.entropy, k.margin, k.text_characters, k.text_words, k.text_language,
       NULL::DOUBLE AS novelty, s.session_position, s.session_earlier_negatives, s.session_gap_s, NULL::VARCHAR AS context,
       list_filter([CASE WHEN k.confidence IS NULL AND k.entropy IS NULL AND k.margin IS NULL
                         THEN 'answer_uncertainty' END, 'novelty',
                    CASE WHEN s.session_position IS NULL THEN 'session' END], lambda x: x IS NOT NULL) AS missing,
       k.answer_text, k.inputs, k.inputs_ref, k.embedding
FROM '{folder}/{attributed}' a
LEFT JOIN known k USING (project_id, inference_request_id)
LEFT JOIN said s ON s.log_offset = a.log_offset
ORDER BY a.log_offset
