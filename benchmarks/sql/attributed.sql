-- What makes the table attributed, by hand, for the made-up events alone.
SELECT f.* REPLACE (coalesce(f.model_name, i.model_name, 'default') AS model_name),
       CASE WHEN i.log_offset IS NULL
            THEN CASE WHEN f.received_at + INTERVAL 86400 SECOND <= TIMESTAMPTZ '{newest}' THEN 'orphaned' ELSE 'pending' END
            WHEN (f.model_name IS NULL OR f.model_name = i.model_name) AND f.model_version = i.model_version
            THEN 'attributed' ELSE 'mismatched' END AS state,
       i.log_offset AS inference_offset,
       CASE WHEN i.log_offset IS NULL OR f.model_version <> i.model_version OR f.model_name <> i.model_name
              OR f.label LIKE '[%' THEN NULL
            WHEN f.label IS NOT NULL THEN f.label = i.answer_label
            WHEN f.feedback_type IN ('explicit_correction', 'review_label') THEN f.text = i.answer_text END AS correct,
       i.answer_label,
       f.log_offset IN (
           SELECT t.log_offset FROM '{folder}/feedback.parquet' t
           JOIN '{folder}/feedback.parquet' u ON u.target_feedback_id = t.feedback_id AND u.project_id = t.project_id
           WHERE u.target_feedback_id IS NOT NULL AND u.feedback_id <> t.feedback_id
             AND (u.user_ref IS NOT DISTINCT FROM t.user_ref OR u.source_kind IN ('reviewer', 'system'))) AS is_undone
FROM '{folder}/feedback.parquet' f
LEFT JOIN '{folder}/inferences.parquet' i USING (project_id, inference_request_id)
ORDER BY f.log_offset
