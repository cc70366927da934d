-- What makes the table dataset, by hand, for the made-up events alone.
WITH told AS (
    SELECT f.log_offset AS feedback_offset, f.inference_offset, f.inference_request_id, f.label, f.answer_label,
           f.model_version, f.occurred_at, f.feedback_type AS source_type, least(1 / f.pass_probability, 20) AS stands_for
    FROM '{folder}/{attributed}' f
    WHERE f.state = 'attributed' AND NOT f.is_undone AND f.training_consent AND f.label NOT LIKE '[%'
      AND f.feedback_type IN ('review_label', 'ground_truth', 'explicit_label', 'explicit_correction')
      AND md5('golden:' || f.inference_request_id)[:8] >= '33333333'
), best AS (
    SELECT t.* FROM told t JOIN (
        SELECT inference_offset, max(CASE source_type WHEN 'review_label' THEN 4 WHEN 'ground_truth' THEN 3
                                     WHEN 'explicit_label' THEN 2 ELSE 1 END * (1::BIGINT << 56) + feedback_offset) % (1::BIGINT << 56)
               AS feedback_offset FROM told GROUP BY ALL) USING (inference_offset, feedback_offset)
), chances AS (
    SELECT *, (('0x' || md5('sample:0:' || inference_request_id)[:13])::BIGINT::DOUBLE + 0.5) / 4503599627370496 AS u
    FROM best
), counts AS (
    SELECT label, count(*) AS n, least(count(*), {rows} // count(*) OVER ()) AS quota FROM chances GROUP BY label
), chosen AS (
    SELECT c.*, n / quota AS share
    FROM chances c JOIN counts USING (label)
    WHERE u < (quota + 8 * sqrt(quota) + 64) / n
    QUALIFY row_number() OVER (PARTITION BY label ORDER BY u, inference_offset) <= quota
)
SELECT c.inference_request_id, c.feedback_offset, c.inference_offset, i.inputs, i.inputs_ref,
       NULL::VARCHAR AS inputs_sha256, c.label, TRY_CAST(c.label AS DOUBLE) AS target, c.answer_label, c.model_version,
       c.source_type, c.occurred_at, c.stands_for * c.share AS weight
FROM chosen c JOIN '{folder}/inferences.parquet' i ON i.log_offset = c.inference_offset
ORDER BY c.feedback_offset, c.inference_offset
