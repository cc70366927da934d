-- What a dataset is, by hand, of any feedback and this one recipe: its rows, the index with a digest of each, and the
-- outcome of every feedback that could have been in it. One percent of the rows is more than the 50 that a user may have.
CREATE TEMP TABLE told AS
SELECT f.log_offset AS feedback_offset, f.inference_offset, f.inference_request_id, f.label, f.pass_probability,
       CASE f.feedback_type WHEN 'review_label' THEN 4 WHEN 'ground_truth' THEN 3 WHEN 'explicit_label' THEN 2 ELSE 1 END
           * (1::BIGINT << 56) + f.log_offset AS rank,
       CASE WHEN f.source_kind = 'end_user' THEN coalesce('u:' || f.user_ref, 's:' || f.session_id) END AS actor,
       CASE WHEN f.state = 'orphaned' THEN 'pending' WHEN f.state <> 'attributed' THEN f.state
            WHEN f.is_undone THEN 'undone' WHEN NOT f.training_consent THEN 'no-consent'
            WHEN md5('golden:' || f.inference_request_id)[:8] < '33333333' OR f.inference_offset IN (
                SELECT inference_offset FROM '{folder}/{attributed}' WHERE feedback_type = 'review_label'
                AND contains(feedback_value, '"golden":true') AND NOT is_undone AND inference_offset IS NOT NULL
            ) THEN 'golden'
            WHEN f.label IS NULL OR f.label LIKE '[%' OR NOT coalesce(i.has_inputs, false) THEN 'unusable' END AS outcome
FROM '{folder}/{attributed}' f LEFT JOIN '{folder}/inferences.parquet' i ON i.log_offset = f.inference_offset
WHERE f.model_name = 'tickets' AND NOT f.is_retraction
  AND f.feedback_type IN ('review_label', 'ground_truth', 'explicit_label', 'explicit_correction');

CREATE TEMP TABLE best AS
SELECT t.*, (('0x' || md5('sample:0:' || inference_request_id)[:13])::BIGINT::DOUBLE + 0.5) / 4503599627370496 AS u
FROM told t JOIN (SELECT max(rank) AS rank FROM told WHERE outcome IS NULL GROUP BY inference_offset) USING (rank)
WHERE outcome IS NULL;

CREATE TEMP TABLE crowding AS
SELECT feedback_offset FROM best WHERE actor IN (
    SELECT actor FROM best WHERE actor IS NOT NULL GROUP BY actor HAVING count(*) > 50
) QUALIFY row_number() OVER (PARTITION BY actor ORDER BY feedback_offset DESC) > 50;

CREATE TEMP TABLE chosen AS
WITH counts AS (
    SELECT label, count(*) AS n, least(count(*), {rows} // count(*) OVER ()) AS quota FROM best
    WHERE feedback_offset NOT IN (FROM crowding) GROUP BY label
)
SELECT b.*, n / quota * least(1 / pass_probability, 20) AS weight
FROM best b JOIN counts USING (label)
WHERE u < (quota + 8 * sqrt(quota) + 64) / n AND feedback_offset NOT IN (FROM crowding)
QUALIFY row_number() OVER (PARTITION BY label ORDER BY u, inference_offset) <= quota;

CREATE TEMP TABLE examples AS
WITH wide AS (
    SELECT c.inference_request_id, c.feedback_offset, c.inference_offset, i.inputs, i.inputs_ref,
           NULL::VARCHAR AS inputs_sha256, c.label, TRY_CAST(c.label AS DOUBLE) AS target, f.answer_label,
           f.model_version, f.feedback_type AS source_type, f.occurred_at, c.weight
    FROM chosen c JOIN '{folder}/{attributed}' f ON f.log_offset = c.feedback_offset
    JOIN '{folder}/inferences.parquet' i ON i.log_offset = c.inference_offset
)
SELECT *, sha256(to_json(wide)::VARCHAR) AS row_digest FROM wide ORDER BY feedback_offset, inference_offset;

COPY (SELECT * EXCLUDE row_digest FROM examples) TO '{folder}/hand_dataset.parquet' (FORMAT parquet, COMPRESSION zstd);

COPY (SELECT 'train' AS split, row_number() OVER () - 1 AS row, inference_offset AS example, feedback_offset,
             inference_offset, weight, inputs_sha256, row_digest FROM examples)
TO '{folder}/hand_index.parquet' (FORMAT parquet, COMPRESSION zstd);

COPY (SELECT t.feedback_offset, t.inference_offset,
             CASE WHEN t.outcome IS NOT NULL THEN t.outcome WHEN b.inference_offset IS NULL THEN 'outranked'
                  WHEN t.feedback_offset IN (FROM crowding) THEN 'over-actor-cap'
                  WHEN c.inference_offset IS NULL THEN 'not-sampled' ELSE 'kept' END AS outcome
      FROM told t LEFT JOIN best b USING (feedback_offset) LEFT JOIN chosen c USING (feedback_offset) ORDER BY 1)
TO '{folder}/hand_members.parquet' (FORMAT parquet, COMPRESSION zstd);

SELECT sha256(string_agg(row_digest || chr(10), '' ORDER BY feedback_offset, inference_offset)) FROM examples
